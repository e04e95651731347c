//! A WebSocket server whose every connection follows a script.

use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_async, accept_hdr_async};

/// The other end of one connection.
pub(crate) struct Peer {
    stream: Option<WebSocketStream<TcpStream>>,
    headers: Value,
}

/// Serves each connection by `script`, which is told how many came before. What the scripts return comes with the channel.
pub(crate) async fn serve<F, R>(script: F) -> (String, mpsc::UnboundedReceiver<Value>)
where
    F: Fn(usize, Peer) -> R + Send + Sync + 'static,
    R: Future<Output = Value> + Send + 'static,
{
    let (listener, url) = listen().await;
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for nth in 0.. {
            let (client, _) = listener.accept().await.unwrap();
            let peer = Peer::accept(client).await;
            let (running, tell) = (script(nth, peer), tell.clone());
            tokio::spawn(async move { tell.send(running.await) });
        }
    });
    (url, told)
}

/// A WebSocket server that has not heard of the subprotocol.
pub(crate) async fn serve_plain() -> (String, tokio::task::JoinHandle<()>) {
    let (listener, url) = listen().await;
    let serving = tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            drop(accept_async(client).await);
        }
    });
    (url, serving)
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    (listener, url)
}

impl Peer {
    async fn accept(client: TcpStream) -> Self {
        let seen = Arc::new(Mutex::new(Value::Null));
        let headers = seen.clone();
        #[allow(clippy::result_large_err, reason = "the library's signature")]
        let answer = move |request: &Request, mut response: Response| {
            let fields = request.headers().iter();
            let fields: Map<String, Value> =
                fields.map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap()))).collect();
            *seen.lock().unwrap() = Value::Object(fields);
            let asked = request.headers()["sec-websocket-protocol"].clone();
            response.headers_mut().insert("sec-websocket-protocol", asked);
            Ok(response)
        };
        let stream = accept_hdr_async(client, answer).await.unwrap();
        let headers = headers.lock().unwrap().clone();
        Self { stream: Some(stream), headers }
    }

    /// The header fields of the handshake.
    pub(crate) fn headers(&self) -> Value {
        self.headers.clone()
    }

    /// The beginning of a good server: what it heard before and behind its acknowledgement.
    pub(crate) async fn begin(&mut self) -> Value {
        let init = self.hear().await;
        self.say(json!({"type": "connection_ack"})).await;
        json!([init, self.hear().await])
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.say_text(&message.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        // Who is not there any more hears nothing.
        let _ = self.stream().send(Message::text(text)).await;
    }

    /// The next message; `None` where the connection is over.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        match self.stream().next().await {
            Some(Ok(Message::Text(text))) => Some(serde_json::from_str(&text).unwrap()),
            _ => None,
        }
    }

    /// The code with which the client goes, whatever it says before.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.stream().next().await {
                Some(Ok(Message::Close(frame))) => {
                    // The library answers when it is asked for more.
                    let _ = self.stream().next().await;
                    return frame.map(|frame| frame.code.into());
                }
                Some(Ok(_)) => {}
                _ => return None,
            }
        }
    }

    pub(crate) async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "as the script says".into() };
        let _ = self.stream().close(Some(frame)).await;
        while let Some(Ok(_)) = self.stream().next().await {}
    }

    /// Goes without a word.
    pub(crate) fn vanish(&mut self) {
        self.stream = None;
    }

    fn stream(&mut self) -> &mut WebSocketStream<TcpStream> {
        self.stream.as_mut().unwrap()
    }
}
