//! What is too large for a message.

use std::io::ErrorKind;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::Context;
use async_nats::jetstream::object_store::{GetErrorKind, ObjectStore};
use tokio::io::AsyncReadExt;
use tokio::sync::OnceCell;

use crate::pause::Pause;
use crate::protocol::Names;
use crate::settings::KEEP_DEAD;
use crate::streams;

/// Which of the two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Arguments,
    Results,
}

/// The two object stores of a namespace. They are opened, and made, when they are needed first.
pub(crate) struct Objects {
    context: Context,
    stores: [(String, Duration, OnceCell<ObjectStore>); 2],
    replicas: usize,
}

/// Why a try to read an object has failed.
#[derive(Debug)]
enum NotRead {
    /// There is none of this name, or it is damaged.
    Gone(String),
    /// Its description is there, and its bytes do not come.
    Stuck(String),
    /// The server gives no answer.
    Later,
}

/// The number of times that bytes may not come before they count as gone. Before each of them the
/// server has returned their description.
const STUCK: u32 = 2;

/// The time for which bytes may not come.
const BYTES: Duration = Duration::from_secs(2);

/// The number of tries that may fail for other reasons while there is a connection.
const FAILED: u32 = 30;

impl Objects {
    pub(crate) fn new(
        context: &Context,
        names: &Names,
        keep_results: Duration,
        replicas: usize,
    ) -> Self {
        let store = |what: &str, age| (names.stream(what), age, OnceCell::new());
        Self {
            context: context.clone(),
            stores: [
                store("arguments", KEEP_DEAD),
                store("results", keep_results),
            ],
            replicas,
        }
    }

    async fn store(&self, of: Of) -> Result<&ObjectStore, String> {
        let (bucket, age, cell) = &self.stores[of as usize];
        let open = || streams::store(&self.context, bucket.clone(), *age, self.replicas);
        cell.get_or_try_init(open).await
    }

    /// Stores an object. Tries once.
    pub(crate) async fn put(&self, of: Of, name: &str, bytes: &[u8]) -> Result<(), String> {
        let store = self.store(of).await?;
        let mut bytes = bytes;
        let put = store.put(name, &mut bytes).await;
        put.map(drop).map_err(|error| error.to_string())
    }

    /// Reads an object. Tries until it is known whether it is there.
    pub(crate) async fn get(
        &self,
        of: Of,
        name: &str,
        mut pause: Pause,
    ) -> Result<Vec<u8>, String> {
        let (mut stuck, mut failed) = (0, 0);
        loop {
            match self.try_get(of, name).await {
                Ok(bytes) => return Ok(bytes),
                Err(NotRead::Gone(how)) => return Err(how),
                Err(NotRead::Stuck(how)) => {
                    stuck += 1;
                    if stuck == STUCK {
                        return Err(how);
                    }
                }
                Err(NotRead::Later) if self.is_connected() => {
                    failed += 1;
                    if failed == FAILED {
                        return Err("cannot be read: the server always refuses".to_owned());
                    }
                }
                Err(NotRead::Later) => {}
            }
            pause.wait().await;
        }
    }

    fn is_connected(&self) -> bool {
        self.context.client().connection_state() == State::Connected
    }

    async fn try_get(&self, of: Of, name: &str) -> Result<Vec<u8>, NotRead> {
        let store = self.store(of).await.map_err(|_| NotRead::Later)?;
        let mut object = match store.get(name).await {
            Ok(object) => object,
            Err(error) if error.kind() == GetErrorKind::NotFound => {
                return Err(NotRead::Gone("is no longer kept".to_owned()));
            }
            Err(_) => return Err(NotRead::Later),
        };
        let size = object.info().size;
        let mut bytes = Vec::with_capacity(size);
        while bytes.len() < size {
            match tokio::time::timeout(BYTES, object.read_buf(&mut bytes)).await {
                Ok(Ok(0)) => break,
                Ok(Ok(_)) => {}
                Ok(Err(error)) if error.kind() == ErrorKind::InvalidData => {
                    return Err(NotRead::Gone(format!("is damaged: {error}")));
                }
                Ok(Err(error)) => return Err(NotRead::Stuck(format!("cannot be read: {error}"))),
                Err(_) => return Err(NotRead::Stuck("cannot be read: no bytes come".to_owned())),
            }
        }
        match bytes.len() == size {
            true => Ok(bytes),
            false => Err(NotRead::Gone("is shorter than it was".to_owned())),
        }
    }

    /// Deletes an object. Tries once: what is left goes with its age.
    pub(crate) async fn delete(&self, of: Of, name: &str) {
        if let Ok(store) = self.store(of).await {
            let _ = store.delete(name).await;
        }
    }
}
