//! hyper runs on the pool, with the crate's timer.

use std::future::{Future, ready};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_io::Async;
use futures_lite::{AsyncRead, AsyncWrite};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{self, Executor, Timer};
use hyper::service::service_fn;
use hyper::{Request, Response, client, server};
use workmill::adapters::HyperTimer;
use workmill::timer::{Sleep, sleep};
use workmill::{Builder, CancelReason, PoolRef, ThreadPoolExecutor, block_on, current};

use crate::support::{Drops, add_one, limited};

const SHORT: Duration = Duration::from_millis(5);

const HOUR: Duration = Duration::from_secs(3600);

/// A socket as hyper wants it.
struct Socket(Async<TcpStream>);

impl rt::Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut room: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; 4096];
        let most = room.remaining().min(bytes.len());
        let read = Pin::new(&mut self.0).poll_read(cx, &mut bytes[..most]);
        room.put_slice(&bytes[..ready!(read)?]);
        Poll::Ready(Ok(()))
    }
}

impl rt::Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

/// Answers with the body that it was sent and the length of the path.
async fn echo(request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    assert!(current().is_some());
    let path = request.uri().path().len().to_string();
    let body = request.into_body().collect().await?.to_bytes();
    let response = Response::builder().header("path-length", path);
    Ok(response
        .body(Full::new(body))
        .expect("the header is in order"))
}

/// Serves connections on the pool, each as a task that hyper's trait spawns, and sends how each
/// ended.
fn serve(pool: &PoolRef, head: Duration) -> (SocketAddr, mpsc::Receiver<hyper::Result<()>>) {
    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
    let address = listener.get_ref().local_addr().unwrap();
    let (ends, ended) = mpsc::channel();
    pool.execute_future(async move {
        let pool = current().unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let ends = ends.clone();
            pool.execute_future(async move {
                let mut builder = server::conn::http1::Builder::new();
                builder.timer(HyperTimer).header_read_timeout(head);
                let connection = builder.serve_connection(Socket(stream), service_fn(echo));
                let _ = ends.send(connection.await);
            });
        }
    });
    (address, ended)
}

/// [`Executor::execute`] by a name that pools do not have.
trait ExecuteFuture<F> {
    fn execute_future(&self, future: F);
}

impl<E: Executor<F>, F> ExecuteFuture<F> for E {
    fn execute_future(&self, future: F) {
        self.execute(future);
    }
}

async fn exchange(address: SocketAddr, number: usize) {
    let stream = Async::<TcpStream>::connect(address).await.unwrap();
    let (mut sender, connection) = client::conn::http1::handshake(Socket(stream))
        .await
        .unwrap();
    current().unwrap().execute_future(connection);
    for turn in 0..3 {
        let sent = format!("loaf {number} of {turn}").repeat(1000);
        let request = Request::post(format!("/{}", "x".repeat(number)));
        let request = request.header("host", "mill");
        let request = request.body(Full::new(Bytes::from(sent.clone()))).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.headers()["path-length"], (number + 1).to_string());
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), sent);
        sender.ready().await.unwrap();
    }
}

#[test]
fn servers_and_clients_run_on_one_pool() {
    limited(|| {
        for threads in [1, 3] {
            let pool = ThreadPoolExecutor::new(threads).unwrap();
            let (address, ended) = serve(&pool, HOUR);
            let clients: Vec<_> = (0..20)
                .map(|number| pool.spawn(exchange(address, number)))
                .collect();
            for client in clients {
                client.join().unwrap();
            }
            for result in ended.iter().take(20) {
                result.unwrap();
            }
            pool.shutdown_now(); // the server would go on
            pool.shutdown();
        }
    });
}

#[test]
fn a_client_that_does_not_say_what_it_wants_is_cut_off() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (address, ended) = serve(&pool, SHORT);
        let mut stream = TcpStream::connect(address).unwrap();
        // If this thread is held up, it is cut off before it has said anything.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost:");
        let error = ended.recv().unwrap().unwrap_err();
        assert!(error.is_timeout());
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        pool.shutdown_now();
    });
}

#[test]
fn what_hyper_spawns_too_late_goes_where_closures_go() {
    limited(|| {
        let (sender, refused) = mpsc::channel();
        let builder = Builder::new().threads(1);
        let builder = builder.on_rejected(move |rejected| sender.send(rejected).unwrap());
        let pool = builder.build().unwrap();
        pool.shutdown();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        pool.execute_future(async move { add_one(&counted) });
        let rejected = refused.try_recv().unwrap();
        assert_eq!(rejected.reason(), CancelReason::Shutdown);
        assert_eq!(count.load(Ordering::SeqCst), 0);
        rejected.run();
        assert_eq!(count.load(Ordering::SeqCst), 1);

        let pool = ThreadPoolExecutor::new(1).unwrap();
        pool.shutdown();
        let drops = Drops::default();
        pool.handle().execute_future(ready(drops.value()));
        assert_eq!(drops.count(), 1);
        assert_eq!(pool.metrics().rejected, 1);
    });
}

#[test]
fn a_panic_in_what_hyper_spawns_goes_to_the_panic_handler() {
    limited(|| {
        let (sender, reports) = mpsc::channel();
        let builder = Builder::new().threads(1);
        let builder = builder.panic_handler(move |payload| sender.send(payload).unwrap());
        let pool = builder.build().unwrap();
        pool.execute_future(async { panic!("burnt") });
        let payload = reports.recv().unwrap();
        assert_eq!(payload.downcast_ref(), Some(&"burnt"));
        pool.shutdown();
        assert!(reports.try_recv().is_err());
    });
}

#[test]
fn hypers_sleeps_end_in_time_and_can_be_moved() {
    limited(|| {
        let start = Instant::now();
        block_on(HyperTimer.sleep(SHORT));
        assert!(start.elapsed() >= SHORT);
        let deadline = Instant::now() + SHORT;
        block_on(HyperTimer.sleep_until(deadline));
        assert!(Instant::now() >= deadline);

        let mut moved = HyperTimer.sleep(HOUR);
        HyperTimer.reset(&mut moved, Instant::now() + SHORT);
        let ours = moved.as_mut().downcast_mut_pin::<Sleep>().unwrap();
        assert!(ours.deadline().unwrap() < start + HOUR);
        block_on(moved);
    });
}

#[test]
fn a_sleep_of_another_timer_is_replaced() {
    struct Foreign(Sleep);
    impl Future for Foreign {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            Pin::new(&mut self.0).poll(cx)
        }
    }
    impl rt::Sleep for Foreign {}

    limited(|| {
        let mut moved: Pin<Box<dyn rt::Sleep>> = Box::pin(Foreign(sleep(HOUR)));
        HyperTimer.reset(&mut moved, Instant::now() + SHORT);
        assert!(moved.is::<Sleep>());
        block_on(moved);
    });
}
