//! The poll on an executor of its own. glommio's preemption timer, which would look into every wake-up that was lost a little
//! later, is as good as off.

use std::io::{IoSlice, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use glommio_ng::LocalExecutorBuilder;

use super::*;
use crate::{mailbox, sleep, spawn_blocking};

/// Runs what `main` makes on an executor, and `beside` here.
fn on_a_shard<T, Fut>(main: impl FnOnce() -> Fut + Send + 'static, beside: impl FnOnce()) -> T
where
    T: Send + 'static,
    Fut: Future<Output = T> + 'static,
{
    let executor = LocalExecutorBuilder::default()
        .preempt_timer(Duration::from_secs(3600))
        .spawn(move || run(main()))
        .unwrap();
    beside();
    executor.join().unwrap().unwrap()
}

fn pair() -> (TcpStream, socket2::Socket) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    (near, far.into())
}

async fn echo(mut tcp: Tcp) {
    let mut buffer = [0; 64];
    loop {
        let length = poll_fn(|cx| tcp.poll_read(cx, &mut buffer)).await.unwrap();
        if length == 0 {
            return tcp.shut_down().unwrap();
        }
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let written = poll_fn(|cx| tcp.poll_write(cx, &[IoSlice::new(rest)])).await.unwrap();
            rest = &rest[written..];
        }
    }
}

/// Says `count` things one after the other, and hears each of them.
fn talk(mut near: TcpStream, count: u32) {
    for number in 0..count {
        near.write_all(&number.to_le_bytes()).unwrap();
        let mut answer = [0; 4];
        near.read_exact(&mut answer).unwrap();
        assert_eq!(answer, number.to_le_bytes());
    }
    near.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(near.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_shard_that_sleeps_is_woken_by_its_sockets() {
    let (near, far) = pair();
    on_a_shard(|| async { echo(Tcp::new(far).unwrap()).await }, || talk(near, 1_000));
}

#[test]
fn a_shard_that_sleeps_is_woken_by_other_threads() {
    let (sender, letters) = mailbox(1);
    let (answer, answers) = mpsc::channel();
    on_a_shard(
        move || async move {
            for _ in 0..1_000 {
                answer.send(letters.receive().await).unwrap();
            }
        },
        || {
            for number in 0..1_000 {
                sender.send(number).unwrap();
                assert_eq!(answers.recv().unwrap(), number);
            }
        },
    );
}

// go: server/ipqueue_test.go TestIPQueueMultiProducers
#[test]
fn many_letters_at_once_wake_it_too() {
    let (sender, letters) = mailbox(4);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let sender = sender.clone();
            thread::spawn(move || {
                for _ in 0..1_000 {
                    while sender.send(()).is_err() {
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    on_a_shard(
        || async move {
            for _ in 0..4_000 {
                letters.receive().await;
            }
        },
        || threads.into_iter().for_each(|thread| thread.join().unwrap()),
    );
}

#[test]
fn sleeps_end_in_the_order_of_their_deadlines() {
    let order = on_a_shard(
        || async {
            let order = Rc::new(RefCell::new(Vec::new()));
            for millis in [30, 10, 20, 0] {
                let order = Rc::clone(&order);
                spawn(async move {
                    sleep(Duration::from_millis(millis)).await;
                    order.borrow_mut().push(millis);
                });
            }
            // Dropped before its time: nobody is woken for it.
            drop(Sleep::new(Duration::from_millis(5)));
            sleep(Duration::from_millis(40)).await;
            order.take()
        },
        || {},
    );
    assert_eq!(order, [0, 10, 20, 30]);
}

#[test]
fn sockets_deadlines_and_letters_are_served_while_glommio_is_waited_for() {
    let (near, far) = pair();
    let (sender, letters) = mailbox(1);
    let (done, is_done) = mpsc::channel();
    let outcome = on_a_shard(
        move || async move {
            spawn(async move {
                echo(Tcp::new(far).unwrap()).await;
                sleep(Duration::from_millis(20)).await;
                letters.receive().await;
                done.send(7).unwrap();
            });
            let outcome = spawn_blocking(move || is_done.recv().unwrap()).await;
            // And back: it sleeps by itself again.
            sleep(Duration::from_millis(1)).await;
            assert_eq!(current().outside.get(), 0);
            outcome
        },
        || {
            talk(near, 100);
            sender.send(()).unwrap();
        },
    );
    assert_eq!(outcome, 7);
}

#[test]
fn what_was_asked_of_glommio_is_with_the_kernel_when_it_is_said_to_be() {
    let (sender, receiver) = mpsc::channel();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    on_a_shard(
        move || async move {
            let file = outside(glommio_ng::io::BufferedFile::create(&path)).await.unwrap();
            let written = glommio_ng::spawn_local(outside(async move {
                file.write_at(vec![7; 100], 0).await.unwrap();
                file
            }));
            // The task is polled, so that the write is asked for.
            glommio_ng::executor().yield_now().await;
            submitted().await;
            // Nothing is polled any more, and the write is done all the same.
            let deadline = std::time::Instant::now() + Duration::from_secs(20);
            while std::fs::metadata(&path).unwrap().len() < 100 {
                assert!(std::time::Instant::now() < deadline, "the kernel does not have it");
            }
            sender.send(()).unwrap();
            outside(async { written.await.close().await }).await.unwrap();
        },
        move || receiver.recv_timeout(Duration::from_secs(30)).unwrap(),
    );
}

#[test]
fn what_was_sent_before_the_end_is_read_before_it() {
    let (mut near, far) = pair();
    near.write_all(&[b'x'; 1000]).unwrap();
    drop(near);
    let lengths = on_a_shard(
        || async {
            let mut tcp = Tcp::new(far).unwrap();
            let mut lengths = Vec::new();
            let mut buffer = [0; 600];
            while lengths.last() != Some(&0) {
                lengths.push(poll_fn(|cx| tcp.poll_read(cx, &mut buffer)).await.unwrap());
            }
            lengths
        },
        || {},
    );
    assert_eq!(lengths, [600, 400, 0]);
}
