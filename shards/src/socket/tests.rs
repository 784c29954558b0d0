//! A socket on an executor, and at the other end a client of rustls on a plain thread.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};

use glommio_ng::LocalExecutorBuilder;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::*;
use crate::{network, spawn_blocking};
/// Runs `server` on an executor with one end of a connection and `client` here with the other.
fn connect<T, Fut>(server: impl FnOnce(Socket) -> Fut + Send + 'static, client: impl FnOnce(TcpStream)) -> T
where
    T: Send + 'static,
    Fut: Future<Output = T> + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    near.set_nodelay(true).unwrap();
    let (far, _) = listener.accept().unwrap();
    let executor = LocalExecutorBuilder::default()
        .spawn(move || network::run(async move { server(Socket::new(far.into()).unwrap()).await }))
        .unwrap();
    client(near);
    executor.join().unwrap().unwrap()
}

/// A server's configuration and that of a client that trusts it.
fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    configs_of(rustls::ALL_VERSIONS)
}

fn configs_of(versions: &[&'static SupportedProtocolVersion]) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der());
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key.into())
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(pair.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_protocol_versions(versions)
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

fn session(config: Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap()
}

fn secure(config: Arc<ClientConfig>, tcp: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
    StreamOwned::new(session(config), tcp)
}

/// Ends as a client does, and takes what is on its way: else the kernel would reset the connection. The server may be gone.
fn hang_up(mut tls: StreamOwned<ClientConnection, TcpStream>) {
    tls.conn.send_close_notify();
    let _ = tls.flush();
    let _ = tls.sock.shutdown(Shutdown::Write);
    let _ = tls.read_to_end(&mut Vec::new());
}

async fn shake(socket: &mut Socket, config: Arc<ServerConfig>) -> io::Result<()> {
    socket.start_tls(config, &[])?;
    poll_fn(|cx| socket.poll_handshake(cx)).await
}

async fn read(socket: &mut Socket, buffer: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| socket.poll_read(cx, buffer)).await
}

/// Reads until `length` bytes are there.
async fn read_exact(socket: &mut Socket, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match read(socket, &mut bytes[filled..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    Ok(bytes)
}

async fn write_all(socket: &mut Socket, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = poll_fn(|cx| socket.poll_write(cx, &[IoSlice::new(bytes)])).await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

async fn close(socket: &mut Socket) -> io::Result<()> {
    poll_fn(|cx| socket.poll_close(cx)).await
}

fn tls_error(error: &io::Error) -> &rustls::Error {
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    error.get_ref().unwrap().downcast_ref().unwrap()
}

/// Bytes that repeat with a period no buffer size has.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[test]
fn plaintext_goes_both_ways_and_a_close_is_told() {
    let (server, client) = configs();
    let version = connect(
        async move |mut socket| {
            shake(&mut socket, server).await.unwrap();
            assert_eq!(read_exact(&mut socket, 4).await.unwrap(), b"ping");
            let slices = [IoSlice::new(b"po"), IoSlice::new(b""), IoSlice::new(b"ng")];
            assert_eq!(poll_fn(|cx| socket.poll_write(cx, &slices)).await.unwrap(), 4);
            close(&mut socket).await.unwrap();
            socket.tls().unwrap().version
        },
        |tcp| {
            let mut tls = secure(client, tcp);
            tls.write_all(b"ping").unwrap();
            // Without close_notify this would be an error.
            let mut answer = String::new();
            tls.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "pong");
        },
    );
    assert_eq!(version, rustls::ProtocolVersion::TLSv1_3);
}

#[test]
fn tls_1_2_is_spoken_too() {
    let (server, client) = configs_of(&[&rustls::version::TLS12]);
    let (version, suite) = connect(
        async move |mut socket| {
            assert!(socket.tls().is_none());
            shake(&mut socket, server).await.unwrap();
            let received = read_exact(&mut socket, 40_000).await.unwrap();
            write_all(&mut socket, &received).await.unwrap();
            close(&mut socket).await.unwrap();
            let facts = socket.tls().unwrap();
            assert!(facts.peer_certificates.is_empty());
            (facts.version, facts.cipher_suite)
        },
        |tcp| {
            let mut tls = secure(client, tcp);
            tls.write_all(&pattern(40_000)).unwrap();
            let mut echo = Vec::new();
            tls.read_to_end(&mut echo).unwrap();
            assert!(echo == pattern(40_000));
        },
    );
    assert_eq!(version, rustls::ProtocolVersion::TLSv1_2);
    assert!(suite.as_str().is_some_and(|name| name.starts_with("TLS_ECDHE_ECDSA_")), "{suite:?}");
}

#[test]
fn a_close_by_the_client_is_the_end_of_input() {
    let (server, client) = configs();
    connect(
        async move |mut socket| {
            shake(&mut socket, server).await.unwrap();
            assert_eq!(read_exact(&mut socket, 2).await.unwrap(), b"by");
            assert_eq!(read(&mut socket, &mut [0; 16]).await.unwrap(), 0);
            assert_eq!(read(&mut socket, &mut [0; 16]).await.unwrap(), 0);
        },
        |tcp| {
            let mut tls = secure(client, tcp);
            tls.write_all(b"by").unwrap();
            hang_up(tls);
        },
    );
}

#[test]
fn nothing_is_lost_on_a_client_that_reads_late() {
    let (server, client) = configs();
    let sent = pattern(8 << 20);
    let expected = sent.clone();
    let (may_read, wait) = mpsc::channel();
    let blocked = connect(
        move |mut socket| async move {
            shake(&mut socket, server).await.unwrap();
            let mut rest = sent.as_slice();
            while let Some(written) = socket.try_write(&[IoSlice::new(rest)]) {
                rest = &rest[written.unwrap()..];
            }
            let blocked = rest.len();
            may_read.send(()).unwrap();
            for piece in rest.chunks(300_000) {
                // A turn without output of its own must not forget what was sealed before.
                assert_eq!(poll_fn(|cx| socket.poll_write(cx, &[])).await.unwrap(), 0);
                write_all(&mut socket, piece).await.unwrap();
            }
            close(&mut socket).await.unwrap();
            blocked
        },
        |tcp| {
            let mut tls = secure(client, tcp);
            tls.conn.complete_io(&mut tls.sock).unwrap();
            wait.recv().unwrap();
            let mut received = Vec::new();
            tls.read_to_end(&mut received).unwrap();
            assert!(received == expected, "{} bytes of {}", received.len(), expected.len());
        },
    );
    assert!(blocked > 0, "the kernel took everything: nothing was tested");
}

#[test]
fn a_reader_with_little_room_gets_every_byte() {
    let (server, client) = configs();
    let sent = pattern(100_000);
    let expected = sent.clone();
    connect(
        move |mut socket| async move {
            shake(&mut socket, server).await.unwrap();
            let mut received = Vec::new();
            let mut buffer = [0; 7];
            loop {
                match read(&mut socket, &mut buffer).await.unwrap() {
                    0 => break,
                    read => received.extend_from_slice(&buffer[..read]),
                }
            }
            assert!(received == expected, "{} bytes of {}", received.len(), expected.len());
        },
        |tcp| {
            let mut tls = secure(client, tcp);
            tls.write_all(&sent).unwrap();
            hang_up(tls);
        },
    );
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    let (server, client) = configs();
    connect(
        async move |mut socket| {
            shake(&mut socket, server).await.unwrap();
            read_exact(&mut socket, 100_000).await.unwrap();
            write_all(&mut socket, &pattern(100_000)).await.unwrap();
            let Layer::Tls(tls) = &socket.layer else { panic!("no TLS") };
            assert_eq!(tls.buffered_bytes(), 0);
        },
        |tcp| {
            let mut tls = secure(client, tcp);
            tls.write_all(&pattern(100_000)).unwrap();
            tls.read_exact(&mut vec![0; 100_000]).unwrap();
        },
    );
}

#[test]
fn a_handshake_in_single_bytes_succeeds() {
    let (server, client) = configs();
    connect(
        async move |mut socket| {
            shake(&mut socket, server).await.unwrap();
            assert_eq!(read_exact(&mut socket, 2).await.unwrap(), b"hi");
        },
        |mut tcp| {
            let mut session = session(client);
            session.writer().write_all(b"hi").unwrap();
            while session.is_handshaking() || session.wants_write() {
                let mut wire = Vec::new();
                while session.wants_write() {
                    session.write_tls(&mut wire).unwrap();
                }
                for byte in wire {
                    tcp.write_all(&[byte]).unwrap();
                }
                if session.is_handshaking() {
                    session.read_tls(&mut tcp).unwrap();
                    session.process_new_packets().unwrap();
                }
            }
            // What the server sends is taken until it ends: else the kernel would reset the connection.
            let _ = tcp.read_to_end(&mut Vec::new());
        },
    );
}

#[test]
fn what_was_read_before_tls_began_belongs_to_it() {
    let (server, client) = configs();
    for already in [1, 5, 100, 4096] {
        let server = Arc::clone(&server);
        connect(
            async move |mut socket| {
                let mut first = vec![0; already];
                let read = read(&mut socket, &mut first).await.unwrap();
                socket.start_tls(server, &first[..read]).unwrap();
                poll_fn(|cx| socket.poll_handshake(cx)).await.unwrap();
                assert_eq!(read_exact(&mut socket, 2).await.unwrap(), b"hi");
            },
            |tcp| {
                let mut tls = secure(Arc::clone(&client), tcp);
                tls.write_all(b"hi").unwrap();
                hang_up(tls);
            },
        );
    }
}

#[test]
fn a_peek_tells_tls_from_clear_and_takes_nothing() {
    let (server, client) = configs();
    connect(
        async move |mut socket| {
            assert_eq!(poll_fn(|cx| socket.poll_peek(cx)).await.unwrap(), Some(TLS_HANDSHAKE));
            shake(&mut socket, server).await.unwrap();
            assert_eq!(read_exact(&mut socket, 2).await.unwrap(), b"hi");
        },
        |tcp| {
            let mut tls = secure(client, tcp);
            tls.write_all(b"hi").unwrap();
            hang_up(tls);
        },
    );
    let (has_read, wait) = mpsc::channel();
    connect(
        async move |mut socket| {
            assert_eq!(poll_fn(|cx| socket.poll_peek(cx)).await.unwrap(), Some(b'C'));
            assert_eq!(poll_fn(|cx| socket.poll_peek(cx)).await.unwrap(), Some(b'C'));
            assert_eq!(read_exact(&mut socket, 9).await.unwrap(), b"CONNECT {");
            assert!(matches!(socket.layer, Layer::Plain));
            has_read.send(()).unwrap();
            assert_eq!(read_exact(&mut socket, 1).await.unwrap(), b"}");
            assert_eq!(poll_fn(|cx| socket.poll_peek(cx)).await.unwrap(), None);
        },
        |mut tcp| {
            tcp.write_all(b"CONNECT {").unwrap();
            wait.recv().unwrap();
            tcp.write_all(b"}").unwrap();
            tcp.shutdown(Shutdown::Write).unwrap();
        },
    );
}

#[test]
fn a_client_that_does_not_speak_tls_is_told_and_refused() {
    let (server, _) = configs();
    let error = connect(
        async move |mut socket| shake(&mut socket, server).await.unwrap_err(),
        |mut tcp| {
            tcp.write_all(b"CONNECT {\"verbose\":false}\r\n").unwrap();
            let mut answer = Vec::new();
            tcp.read_to_end(&mut answer).unwrap();
            assert_eq!(answer.first(), Some(&TLS_ALERT));
        },
    );
    assert!(matches!(tls_error(&error), rustls::Error::InvalidMessage(_)), "{error}");
}

#[test]
fn a_client_that_goes_half_way_is_the_end() {
    let (server, client) = configs();
    let error = connect(
        async move |mut socket| shake(&mut socket, server).await.unwrap_err(),
        |mut tcp| {
            let mut wire = Vec::new();
            session(client).write_tls(&mut wire).unwrap();
            tcp.write_all(&wire[..wire.len() / 2]).unwrap();
        },
    );
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_client_that_does_not_trust_us_says_so() {
    let (server, _) = configs();
    let (_, stranger) = configs();
    let error = connect(
        async move |mut socket| shake(&mut socket, server).await.unwrap_err(),
        |tcp| {
            secure(stranger, tcp).write_all(b"hi").unwrap_err();
        },
    );
    assert!(
        matches!(
            tls_error(&error),
            rustls::Error::AlertReceived(
                AlertDescription::UnknownCA
                    | AlertDescription::BadCertificate
                    | AlertDescription::DecryptError
            )
        ),
        "{error}"
    );
}

#[test]
fn a_damaged_record_ends_the_connection_with_an_alert() {
    let (server, client) = configs();
    let error = connect(
        async move |mut socket| {
            shake(&mut socket, server).await.unwrap();
            assert_eq!(read_exact(&mut socket, 2).await.unwrap(), b"hi");
            let error = read(&mut socket, &mut [0; 100]).await.unwrap_err();
            assert_eq!(read(&mut socket, &mut [0; 100]).await.unwrap(), 0);
            let written = poll_fn(|cx| socket.poll_write(cx, &[IoSlice::new(b"more")])).await;
            assert_eq!(written.unwrap_err().kind(), io::ErrorKind::NotConnected);
            close(&mut socket).await.unwrap();
            error
        },
        |tcp| {
            let mut tls = secure(client, tcp);
            tls.write_all(b"hi").unwrap();
            tls.sock.write_all(&[APPLICATION_DATA, 3, 3, 0, 32]).unwrap();
            tls.sock.write_all(&[0; 32]).unwrap();
            let alert = tls.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(tls_error(&alert), &rustls::Error::AlertReceived(AlertDescription::BadRecordMac));
        },
    );
    assert_eq!(tls_error(&error), &rustls::Error::DecryptError);
}

#[test]
fn what_came_before_a_damaged_record_is_read() {
    let (server, client) = configs();
    let (may_read, wait) = mpsc::channel();
    connect(
        async move |mut socket| {
            shake(&mut socket, server).await.unwrap();
            spawn_blocking(move || wait.recv().unwrap()).await;
            assert_eq!(read_exact(&mut socket, 2).await.unwrap(), b"hi");
            let error = read(&mut socket, &mut [0; 100]).await.unwrap_err();
            assert_eq!(tls_error(&error), &rustls::Error::DecryptError);
        },
        |tcp| {
            let mut tls = secure(client, tcp);
            tls.write_all(b"hi").unwrap();
            tls.sock.write_all(&[APPLICATION_DATA, 3, 3, 0, 32]).unwrap();
            tls.sock.write_all(&[0; 32]).unwrap();
            may_read.send(()).unwrap();
            tls.read_to_end(&mut Vec::new()).unwrap_err();
        },
    );
}

#[test]
fn a_message_without_end_is_refused() {
    let (server, _) = configs();
    let error = connect(
        async move |mut socket| shake(&mut socket, server).await.unwrap_err(),
        |mut tcp| {
            // A ClientHello that says it has 65,535 bytes, in records of 1 KiB.
            let mut record = vec![TLS_HANDSHAKE, 3, 1, 4, 0];
            record.resize(5 + 1024, 0);
            let mut first = record.clone();
            first[5..9].copy_from_slice(&[1, 0, 0xff, 0xff]);
            let mut sent = tcp.write_all(&first);
            for _ in 0..100 {
                sent = sent.and_then(|()| tcp.write_all(&record));
            }
        },
    );
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

/// Types of records.
const TLS_ALERT: u8 = 0x15;
const APPLICATION_DATA: u8 = 0x17;
