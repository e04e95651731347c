//! What is asked here: one function, in this process and behind a socket.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use external_api::HttpClient;
use external_api::rest::RestClient;
use external_http::external_core::{CallContext, ProviderInfo, async_trait};
use external_http::{
    BuildContext, ByteStream, Domain, Error, HttpRequest, HttpResponse, HttpTransport, MemoryAnswer,
    MemoryHttp, Provider, ReqwestConfig, Result,
};
use external_simulator::{HttpAnswer, HttpQuestion, HttpServer};
use futures_util::{StreamExt, stream};

/// A server and a client of it.
pub(crate) struct Origin {
    pub(crate) rest: RestClient,
    pub(crate) line: Arc<Line>,
    asked: Arc<Mutex<Vec<HttpQuestion>>>,
    _server: Option<HttpServer>,
}

impl Origin {
    /// What was asked, oldest first.
    pub(crate) fn asked(&self) -> Vec<HttpQuestion> {
        self.asked.lock().unwrap().clone()
    }

    /// The targets of what was asked.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.asked().into_iter().map(|question| question.target).collect()
    }
}

/// One origin over each transport. The function is told which request this is, counted from 1 at each origin.
pub(crate) async fn both(
    answer: impl Fn(&HttpQuestion, usize) -> HttpAnswer + Send + Sync + 'static,
) -> [Origin; 2] {
    let answer: Arc<Answer> = Arc::new(answer);
    let (asked, remembered) = remember(answer.clone());
    let memory = MemoryHttp::new().with_fallback(move |request| {
        let (method, headers) = (request.method.clone(), request.headers.clone());
        let question = HttpQuestion::new(method, request.url.target(), headers, request.body.clone());
        let mut said = remembered(&question);
        if said.tells_length && said.status != 304 {
            said.headers.insert("content-length", said.body.len().into());
        }
        let fields =
            said.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        fields
            .fold(MemoryAnswer::new(said.status.as_u16()), |answer, (name, value)| {
                answer.with_header(name, value)
            })
            .with_body(said.body)
    });
    let in_process = origin(memory, asked, None);
    let (asked, remembered) = remember(answer);
    let server = HttpServer::start(remembered).await.unwrap();
    let config = ReqwestConfig::new().with_base_url(format!("http://{}", server.address()));
    let over_network = origin(config.build(&BuildContext::default()).unwrap(), asked, Some(server));
    [in_process, over_network]
}

type Answer = dyn Fn(&HttpQuestion, usize) -> HttpAnswer + Send + Sync;
type Asked = Arc<Mutex<Vec<HttpQuestion>>>;

fn remember(answer: Arc<Answer>) -> (Asked, impl Fn(&HttpQuestion) -> HttpAnswer + Send + Sync + 'static) {
    let asked = Asked::default();
    let remembered = asked.clone();
    (asked, move |question: &HttpQuestion| {
        let number = {
            let mut asked = remembered.lock().unwrap();
            asked.push(question.clone());
            asked.len()
        };
        answer(question, number)
    })
}

fn origin(transport: impl HttpTransport, asked: Asked, server: Option<HttpServer>) -> Origin {
    let line = Arc::new(Line::default());
    let http = HttpClient::over(Lined { transport, line: line.clone() });
    // Bodies break as often as a test wants them to: no circuit opens over that.
    let quick = HttpClient::policy().with_backoff(Duration::from_millis(1), Duration::from_millis(2));
    let quick = quick.with_breaker(None);
    Origin { rest: RestClient::over(http.with_policy(quick)), line, asked, _server: server }
}

/// JSON, as a server says it.
pub(crate) fn json(status: u16, text: impl Into<String>) -> HttpAnswer {
    HttpAnswer::new(status).with_header("content-type", "application/json").with_body(text.into())
}

/// What becomes of bodies on their way back.
#[derive(Default)]
pub(crate) struct Line {
    /// After how many bytes the next bodies end, each.
    cuts: Mutex<VecDeque<usize>>,
    /// Whether they stall there, where they would break.
    stalls: AtomicBool,
    /// How long each answer is on its way.
    delay: Mutex<Duration>,
}

impl Line {
    /// The next bodies break after so many bytes, each.
    pub(crate) fn cut(&self, after: &[usize]) {
        self.cuts.lock().unwrap().extend(after);
    }

    /// The next body stops after so many bytes, and nobody says anything.
    pub(crate) fn stall(&self, after: usize) {
        self.stalls.store(true, Ordering::Relaxed);
        self.cut(&[after]);
    }

    /// Answers take so long from now on, each.
    pub(crate) fn delay(&self, each: Duration) {
        *self.delay.lock().unwrap() = each;
    }

    fn carry(&self, body: ByteStream) -> ByteStream {
        let Some(after) = self.cuts.lock().unwrap().pop_front() else { return body };
        let before = body.scan(after, |left, chunk| {
            let chunk = chunk.unwrap();
            let fits = chunk.slice(..chunk.len().min(*left));
            *left -= fits.len();
            std::future::ready((!fits.is_empty()).then_some(Ok(fits)))
        });
        match self.stalls.swap(false, Ordering::Relaxed) {
            true => ByteStream::new(before.chain(stream::pending())),
            false => {
                let cut = Err(Error::unavailable("the line was cut"));
                ByteStream::new(before.chain(stream::iter([cut])))
            }
        }
    }
}

/// A transport with such a line.
struct Lined<T> {
    transport: T,
    line: Arc<Line>,
}

impl<T> std::fmt::Debug for Lined<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lined")
    }
}

#[async_trait]
impl<T: HttpTransport> Provider for Lined<T> {
    fn info(&self) -> &ProviderInfo {
        self.transport.info()
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.transport.probe(cx).await
    }
}

#[async_trait]
impl<T: HttpTransport> HttpTransport for Lined<T> {
    async fn execute(&self, cx: &CallContext, request: &HttpRequest) -> Result<HttpResponse> {
        let mut answer = self.transport.execute(cx, request).await?;
        let delay = *self.line.delay.lock().unwrap();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if answer.status.is_success() {
            answer.body = self.line.carry(answer.body);
        }
        Ok(answer)
    }
}
