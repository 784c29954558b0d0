//! HTTP over one connection of the endpoint.

use std::convert::Infallible;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_lite::future;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use log::debug;
use natrium_monitor::{Request, Response, respond};
use natrium_shards::{Socket, spawn, spawn_blocking};

use super::Endpoint;
use super::collect::Silence;
use super::stream::{HttpStream, Pace};
use crate::shard::Shard;

/// HTTP connections at one time. More than any number of probes and scrapers keeps open, and few enough that their
/// answers (a page of connections is about 1 MiB) cannot fill the memory; one more is closed at once.
const CONNECTIONS_MAX: usize = 256;
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Serves one connection on this shard until it ends.
pub(crate) fn serve(shard: &Rc<Shard>, socket: socket2::Socket, endpoint: Arc<Endpoint>) {
    let open = &shard.desk.connections;
    if open.get() >= CONNECTIONS_MAX {
        debug!("{CONNECTIONS_MAX} monitoring connections are open: one more is closed");
        return;
    }
    let Ok(mut socket) = Socket::new(socket) else { return };
    if let Some(tls) = &endpoint.tls
        && let Err(error) = socket.start_tls(Arc::clone(tls), &[])
    {
        debug!("monitoring connection ended: {error}");
        return;
    }
    open.set(open.get() + 1);
    let shard = Rc::clone(shard);
    spawn(async move {
        speak(&shard, socket, endpoint).await;
        shard.desk.connections.set(shard.desk.connections.get() - 1);
    });
}

async fn speak(shard: &Rc<Shard>, mut socket: Socket, endpoint: Arc<Endpoint>) {
    let pace = Rc::new(Pace::new(Instant::now()));
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (shard, endpoint, pace) = (Rc::clone(shard), Arc::clone(&endpoint), Rc::clone(&pace));
        async move {
            pace.answering(Instant::now());
            let response = answer(&shard, endpoint, &request).await;
            pace.answered();
            Ok::<_, Infallible>(written(response))
        }
    });
    let served = async {
        if let Err(error) = poll_fn(|cx| socket.poll_handshake(cx)).await {
            debug!("monitoring connection ended: {error}");
            return;
        }
        let stream = HttpStream::new(socket, Rc::clone(&pace));
        let connection = http1::Builder::new()
            .title_case_headers(true)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(stream, service);
        if let Err(error) = connection.await {
            debug!("monitoring connection ended: {error}");
        }
    };
    future::or(served, pace.expire()).await;
}

async fn answer(shard: &Shard, endpoint: Arc<Endpoint>, request: &hyper::Request<Incoming>) -> Response {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let parsed = Request::parse(&endpoint.base, target, &mut shard.desk.requests.borrow_mut());
    let request = match parsed {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    match shard.desk.collect(&endpoint, &request.needs()).await {
        // A page of a thousand connections takes milliseconds to write: clients need not wait for it.
        Ok(snapshots) => spawn_blocking(move || respond(&request, &endpoint.base, &snapshots)).await,
        Err(Silence) => Response {
            status: 503,
            content_type: "text/plain; charset=utf-8",
            headers: Vec::new(),
            body: b"a shard did not answer in time\n".to_vec(),
        },
    }
}

fn written(response: Response) -> hyper::Response<Full<Bytes>> {
    let Response { status, content_type, headers, body } = response;
    let mut written = hyper::Response::new(Full::new(Bytes::from(body)));
    *written.status_mut() =
        hyper::StatusCode::from_u16(status).expect("the documents' status codes are valid");
    written.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in headers {
        // A redirect's location is the only header with a client's bytes in it; they are percent-encoded but for its query.
        if let Ok(value) = HeaderValue::from_str(&value) {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("the documents' headers are valid");
            written.headers_mut().insert(name, value);
        }
    }
    written
}
