//! A request and its reply: nothing is stored, and what is under way is lost with anybody.

use futures_util::StreamExt;

use crate::{ALONE, IN_FLIGHT, MANY, time, worker};

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

pub(crate) fn serve(url: &str) {
    runtime().block_on(async {
        let client = async_nats::connect(url).await.expect("a connection");
        let mut requests = client.subscribe("raw").await.expect("a subscription");
        client.flush().await.expect("a server");
        println!("ready");
        while let Some(request) = requests.next().await {
            let reply = request.reply.expect("a request");
            client.publish(reply, "".into()).await.expect("a server");
        }
    });
}

pub(crate) fn run(url: &str) -> [f64; 2] {
    let _worker = worker("raw", url);
    let runtime = runtime();
    let client = runtime
        .block_on(async_nats::connect(url))
        .expect("a connection");
    let request = || async { client.request("raw", "".into()).await.expect("a reply") };
    let alone = time(ALONE, || {
        runtime.block_on(async {
            for _ in 0..ALONE {
                request().await;
            }
        });
    });
    let many = time(MANY, || {
        runtime.block_on(async {
            let requests = futures_util::stream::iter((0..MANY).map(|_| request()));
            requests.buffer_unordered(IN_FLIGHT).count().await
        });
    });
    [alone, many]
}
