// A GraphQL server for tests: graphql-yoga with persisted queries, uploads and server-sent events, graphql-ws for sockets.
// node server.cjs --port PORT, with its packages in NODE_PATH.
'use strict';
const { createServer } = require('node:http');
const { createHash } = require('node:crypto');
const { parseArgs } = require('node:util');
const { GraphQLError } = require('graphql');
const { createSchema, createPubSub, createYoga } = require('graphql-yoga');
const { useAPQ } = require('@graphql-yoga/plugin-apq');
const { useServer } = require('graphql-ws/use/ws');
const { WebSocketServer } = require('ws');

const { values } = parseArgs({ options: { port: { type: 'string' } } });
const port = Number(values.port);

const typeDefs = /* GraphQL */ `
  scalar File
  type Query {
    greeting(name: String! = "you"): String!
    "Fails with this code, and says so in the field's place."
    broken(code: String!): String
    "Fails with this code, and takes all data with it."
    fatal(code: String!): String!
    "What the server was sent in this header field."
    header(name: String!): String
  }
  type Mutation {
    add(number: Int!): Int!
    keep(file: File!): Kept!
    publish(text: String!): Boolean!
  }
  type Kept { name: String!, type: String!, bytes: Int!, sha256: String! }
  type Subscription {
    "The numbers from 1 on, so many milliseconds apart."
    count(to: Int!, every: Int! = 0): Int!
    published: String!
    "Refuses."
    refused(code: String!): Int!
    "Closes the socket with this code, where there is one."
    closed(code: Int!): Int!
  }
`;

const pubsub = createPubSub();
let sum = 0;
const failure = (code) => new GraphQLError(`failed with ${code}`, { extensions: { code } });

const resolvers = {
  Query: {
    greeting: (_, { name }) => `hello ${name}`,
    broken: (_, { code }) => { throw failure(code); },
    fatal: (_, { code }) => { throw failure(code); },
    header: (_, { name }, { request }) => request.headers.get(name),
  },
  Mutation: {
    add: (_, { number }) => (sum += number),
    keep: async (_, { file }) => {
      const bytes = Buffer.from(await file.arrayBuffer());
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return { name: file.name, type: file.type, bytes: bytes.length, sha256 };
    },
    publish: (_, { text }) => { pubsub.publish('published', { published: text }); return true; },
  },
  Subscription: {
    count: {
      subscribe: async function* (_, { to, every }) {
        for (let n = 1; n <= to; n += 1) {
          yield { count: n };
          if (every > 0) await new Promise((resolve) => setTimeout(resolve, every));
        }
      },
    },
    published: { subscribe: () => pubsub.subscribe('published') },
    refused: { subscribe: (_, { code }) => { throw failure(code); } },
    closed: {
      subscribe: async function* (_, { code }, { extra }) {
        extra?.socket.close(code, 'as it was asked to');
        yield { closed: code };
      },
    },
  },
};

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  plugins: [useAPQ()],
  graphiql: false,
  logging: false,
});
const server = createServer(yoga);
const sockets = new WebSocketServer({ server, path: yoga.graphqlEndpoint });

useServer(
  {
    // Who comes with a token of its own is refused.
    onConnect: ({ connectionParams }) => connectionParams?.token !== 'wrong',
    execute: (args) => args.rootValue.execute(args),
    subscribe: (args) => args.rootValue.subscribe(args),
    onSubscribe: async (context, _id, params) => {
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        ...context,
        req: context.extra.request,
        socket: context.extra.socket,
        params,
      });
      const args = {
        schema,
        operationName: params.operationName,
        document: parse(params.query),
        variableValues: params.variables,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      };
      const errors = validate(args.schema, args.document);
      return errors.length > 0 ? errors : args;
    },
  },
  sockets,
);

server.listen(port, '127.0.0.1');
