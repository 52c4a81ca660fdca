//! Celery and dramatiq, with a Redis server that writes nothing to disk. Their clients and workers
//! are written in Python, so this compares unlike with unlike.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{Ends, Figures, ready};

const PORT: &str = "16379";

/// A Redis server, and a Python that has both.
pub(crate) struct Redis {
    _server: Ends,
    python: PathBuf,
}

const CELERY: &str = r"
import sys, time
from celery import Celery
redis = 'redis://127.0.0.1:PORT/'
app = Celery('rows', broker=redis + '0', backend=redis + '1')
app.conf.worker_redirect_stdouts = False
@app.task(name='nothing')
def nothing(): pass
if sys.argv[1] == 'worker':
    from celery.signals import worker_ready
    @worker_ready.connect
    def say(**_): print('ready', flush=True)
    options = '-P threads -c 2 -l ERROR --without-gossip --without-mingle'
    app.worker_main(['worker', *options.split()])
else:
    def alone(n):
        for _ in range(n): nothing.delay().get(timeout=60)
    def many(n):
        for r in [nothing.delay() for _ in range(n)]: r.get(timeout=60)
    alone(20)
    def timed(n, f):
        t = time.perf_counter(); f(n); return (time.perf_counter() - t) / n * 1e9
    print(timed(100, alone), timed(1000, many))
";

const DRAMATIQ: &str = r"
import sys, time
import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
broker = RedisBroker(url='redis://127.0.0.1:PORT/2')
broker.add_middleware(Results(backend=RedisBackend(url='redis://127.0.0.1:PORT/3')))
dramatiq.set_broker(broker)
@dramatiq.actor(store_results=True)
def nothing(): pass
if sys.argv[1] == 'worker':
    from dramatiq import Worker
    worker = Worker(broker, worker_threads=2)
    worker.start()
    print('ready', flush=True)
    time.sleep(1e6)
else:
    def alone(n):
        for _ in range(n): nothing.send().get_result(block=True, timeout=60000)
    def many(n):
        for r in [nothing.send() for _ in range(n)]: r.get_result(block=True, timeout=60000)
    alone(20)
    def timed(n, f):
        t = time.perf_counter(); f(n); return (time.perf_counter() - t) / n * 1e9
    print(timed(100, alone), timed(1000, many))
";

impl Redis {
    pub(crate) fn start() -> Option<Self> {
        let server = std::env::var_os("WORKMILL_REDIS")?;
        let python = PathBuf::from(std::env::var_os("WORKMILL_PYTHON")?);
        let mut command = Command::new(server);
        command.args(["--port", PORT, "--bind", "127.0.0.1", "--save", ""]);
        let child = command.stdout(Stdio::null()).spawn().ok()?;
        let _server = Ends(child);
        while std::net::TcpStream::connect(format!("127.0.0.1:{PORT}")).is_err() {
            std::thread::yield_now();
        }
        Some(Self { _server, python })
    }

    pub(crate) fn run(&self, which: &str) -> Figures {
        let text = if which == "celery" { CELERY } else { DRAMATIQ };
        let name = format!("workmill-{which}-{}.py", std::process::id());
        let script = std::env::temp_dir().join(name);
        std::fs::write(&script, text.replace("PORT", PORT)).ok()?;
        let command = |kind: &str| {
            let mut command = Command::new(&self.python);
            command.arg(&script).arg(kind).stderr(Stdio::null());
            command
        };
        let mut worker = command("worker");
        worker.stdout(Stdio::piped());
        let _worker = ready(worker);
        let output = command("client").output().ok()?;
        let _ = std::fs::remove_file(&script);
        let text = String::from_utf8(output.stdout).ok()?;
        let mut numbers = text.split_whitespace().filter_map(|it| it.parse().ok());
        Some([numbers.next()?, numbers.next()?])
    }
}
