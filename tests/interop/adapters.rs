//! Other libraries run on the pool, each by its own trait, behind the feature of its name.

mod futures_core;
mod futures_task;
mod hyper;
