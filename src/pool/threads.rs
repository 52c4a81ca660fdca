//! The threads of a pool: how they start, and what they do when they leave.

use std::io;
use std::sync::Arc;

use super::config::Config;
use super::roster::see_off;
use super::shared::{Local, Shared};
use super::worker;
use crate::primitive::ThreadBuilder;

/// Starts a pool with all its threads, or none.
pub(crate) fn start(config: &Config) -> io::Result<Arc<Shared>> {
    let shared = Arc::new(Shared::new(config));
    for (index, name) in config.thread_names.iter().enumerate() {
        let mut builder = ThreadBuilder::new().name(name.clone());
        if let Some(bytes) = config.stack_size {
            builder = builder.stack_size(bytes);
        }
        let part = Arc::clone(&shared);
        shared.roster.enlist();
        match builder.spawn(move || live(&part, index)) {
            Ok(handle) => shared.roster.keep(handle),
            Err(error) => {
                shared.roster.leave();
                shared.close();
                shared.roster.join();
                return Err(error);
            }
        }
    }
    Ok(shared)
}

/// A thread's way through the pool.
fn live(shared: &Arc<Shared>, index: usize) {
    let to_join = Local::enter(Arc::clone(shared), index, worker::work);
    shared.roster.leave();
    to_join.into_iter().for_each(see_off);
}
