//! A job at a server: its mark, its function, its outcome. `protocol.rs` has the argument.
//!
//! Each job is a task, whose future is as large as the largest of what it may wait for. So what is
//! rare is waited for in a box, which keeps the future of an ordinary job small.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use workmill::JoinError;
use workmill_jobs::CallError;
use workmill_jobs::executors::within_keyed;

use super::{Ack, Held, Hold, LOOK, LOOKS, Slot, Taken, Worker};
use crate::link::{Decision, NotStored};
use crate::metrics::ServerCounts;
use crate::objects::Of;
use crate::protocol::{
    ASK_ALIVE, DeadBody, Envelope, PRIORITIES, Payload, State, from_bytes, to_bytes,
};

/// The number of workers that may not know a job, before it is refused.
const UNKNOWN: i64 = 6;

/// The number of bytes of a message that are kept.
const LONGEST_MESSAGE: usize = 16 * 1024;

/// What became of the begin of a job.
enum Begin {
    /// It is ours, as that attempt.
    Begun(u32),
    /// There is nothing to do here. The message has been seen to.
    Nothing,
}

/// How a call has ended.
enum End {
    Outcome(State),
    /// The function was not called.
    GivenBack,
    /// The function was not called, and will not be.
    Cancelled,
}

/// Runs a job that was taken.
pub(crate) async fn run(worker: Arc<Worker>, taken: Taken, slot: Slot) {
    let envelope = match from_bytes::<Envelope>(&taken.payload) {
        Ok(envelope) => envelope,
        Err(why) => {
            let why = format!("no worker can read the job: {why}");
            return Box::pin(worker.cannot(&taken, None, why)).await;
        }
    };
    let Some(job) = worker.jobs.names().find(|name| *name == envelope.job) else {
        let why = format!(
            "no worker knows the job `{}`: add it to the `Jobs` that the workers serve, under \
             the same name",
            envelope.job
        );
        return Box::pin(worker.cannot(&taken, Some(&envelope), why)).await;
    };
    // If this worker has the job already, its lease is kept.
    let Some(hold) = worker.hold(&taken.id, job, &taken.reply) else {
        return worker.ack(&taken.reply, Ack::Progress).await;
    };
    let arguments = match worker.arguments(&envelope).await {
        Ok(arguments) => arguments,
        Err(how) => {
            let state = State::Refused(format!("its arguments {how}"));
            return Box::pin(worker.settle(&taken, &envelope, &state)).await;
        }
    };
    let Begin::Begun(attempt) = worker.begin(&taken, &envelope, &hold.held).await else {
        return;
    };
    match worker.call(job, arguments, attempt, &hold.held, slot).await {
        End::Outcome(state) => worker.store(&taken, &envelope, &hold, state, attempt).await,
        End::Cancelled => {
            let state = State::Cancelled;
            worker.store(&taken, &envelope, &hold, state, attempt).await;
        }
        End::GivenBack => Box::pin(worker.give_back(&taken, &hold, attempt)).await,
    }
}

impl Worker {
    /// Leaves a job to a worker that knows it. If there seems to be none, refuses it.
    async fn cannot(self: &Arc<Self>, taken: &Taken, envelope: Option<&Envelope>, why: String) {
        if taken.delivered < UNKNOWN && !self.is_stopping() {
            // Programs are replaced one after another.
            let pause = self.lease / 64 * (1 << taken.delivered.clamp(0, 16)) as u32;
            return self.ack(&taken.reply, Ack::GiveBack(pause)).await;
        }
        let state = State::Refused(why);
        match envelope {
            Some(envelope) => {
                let Some(_hold) = self.hold(&taken.id, &envelope.job, &taken.reply) else {
                    return;
                };
                self.settle(taken, envelope, &state).await;
            }
            None => {
                // It cannot be sent again either.
                let mark = self.mark("", state);
                let ack = match self.link.decide(&taken.id, 0, &mark).await {
                    Ok(Decision::Won(_)) => Ack::Done,
                    Ok(Decision::Lost(Some((_, there)))) if there.state.is_final() => Ack::Done,
                    // Another worker can read it, and has begun it.
                    _ => Ack::GiveBack(self.lease),
                };
                self.ack(&taken.reply, ack).await;
            }
        }
    }

    async fn arguments(&self, envelope: &Envelope) -> Result<Vec<u8>, String> {
        match &envelope.arguments {
            Payload::Inline(bytes) => Ok(bytes.to_vec()),
            Payload::Object { name } => {
                let pause = self.link.pause();
                Box::pin(self.link.objects.get(Of::Arguments, name, pause)).await
            }
        }
    }

    /// Writes that the job begins here, unless it has an outcome, has begun too often, or runs
    /// elsewhere.
    async fn begin(self: &Arc<Self>, taken: &Taken, envelope: &Envelope, held: &Held) -> Begin {
        let (mut expected, mut before) = (0, 0);
        loop {
            let attempt = before + 1;
            let mark = self.mark(&envelope.job, self.state_of(attempt));
            let Ok(decision) = self.link.decide(&taken.id, expected, &mark).await else {
                unreachable!("this mark is small");
            };
            match decision {
                Decision::Won(sequence) => {
                    *held.begun.lock().await = Some((sequence, attempt));
                    // ORDERING: Relaxed: it is read by whoever asks, on this thread.
                    held.is_at_work.store(true, Ordering::Relaxed);
                    return Begin::Begun(attempt);
                }
                Decision::Lost(None) => (expected, before) = (0, 0),
                Decision::Lost(Some((sequence, there))) => match there.state {
                    State::Waiting { begun } => (expected, before) = (sequence, begun),
                    State::Begun { attempt, worker } => {
                        if Box::pin(self.is_alive(held)).await {
                            return Begin::Nothing;
                        }
                        if attempt <= envelope.retries {
                            (expected, before) = (sequence, attempt);
                            continue;
                        }
                        let state = State::Lost {
                            subject: format!("the worker {worker}"),
                            end: format!(
                                "gave no sign for longer than {:?}, in attempt {attempt} of {}",
                                self.lease,
                                envelope.retries.saturating_add(1)
                            ),
                        };
                        let mark = self.mark(&envelope.job, state);
                        let Ok(decided) = self.link.decide(&taken.id, sequence, &mark).await else {
                            unreachable!("this mark is small");
                        };
                        if let Decision::Won(_) = decided {
                            ServerCounts::add(&self.counts.found_lost);
                            self.finish(taken, envelope, &mark.state, attempt).await;
                            return Begin::Nothing;
                        }
                        (expected, before) = (0, 0);
                    }
                    state => {
                        // It came again, since the acknowledgement was lost.
                        let attempts = match state {
                            State::Lost { .. } => envelope.retries.saturating_add(1),
                            _ => 0,
                        };
                        self.finish(taken, envelope, &state, attempts).await;
                        return Begin::Nothing;
                    }
                },
            }
        }
    }

    /// Asks the worker that has begun a job whether it is at work.
    async fn is_alive(&self, held: &Held) -> bool {
        let patience = (self.lease / 3).min(Duration::from_secs(1));
        self.link.ask(&held.id, ASK_ALIVE, patience).await.is_some()
    }

    /// Calls the function, on a thread of the pool.
    async fn call(
        self: &Arc<Self>,
        job: &'static str,
        arguments: Vec<u8>,
        attempt: u32,
        held: &Arc<Held>,
        slot: Slot,
    ) -> End {
        let call = {
            let (jobs, key, stop) = (self.jobs.clone(), held.id.text(), held.stop.clone());
            let worker = Arc::clone(self);
            move || {
                ServerCounts::add(&worker.counts.begun);
                drop(worker);
                let began = Instant::now();
                let mut result = Vec::new();
                let called = within_keyed(job, key, attempt, stop, || {
                    jobs.call(job, &arguments, &mut result)
                });
                (called.map(|()| result), began.elapsed())
            }
        };
        let mut running = self.wakers.gathered(self.pool.submit(call));
        let outcome = tokio::select! {
            outcome = &mut running => Some(outcome),
            () = held.overdue.notified() => None,
        };
        let outcome = match outcome {
            Some(outcome) => outcome,
            // No thread has begun it so far, and none will.
            None if running.future.cancel() => {
                self.ran(LOOK * LOOKS);
                return match held.stop.is_cancelled() {
                    true => End::Cancelled,
                    false => End::GivenBack,
                };
            }
            None => running.await,
        };
        drop(slot);
        let state = match outcome {
            Ok((called, time)) => {
                self.ran(time);
                self.state_after(job, called).await
            }
            Err(error) if error.is_panic() => State::Panicked(message_of(&error)),
            // The pool has been shut down.
            Err(_) => return End::GivenBack,
        };
        End::Outcome(state)
    }

    async fn state_after(&self, job: &str, called: Result<Vec<u8>, CallError>) -> State {
        match called {
            Ok(result) if result.len() <= self.link.largest() => {
                State::Done(Payload::Inline(result.into()))
            }
            Ok(result) => {
                let name = format!("{job}.{}.{}", self.name, self.link.nonce());
                let mut pause = self.link.pause();
                while let Err(_later) =
                    Box::pin(self.link.objects.put(Of::Results, &name, &result)).await
                {
                    pause.wait().await;
                }
                State::Done(Payload::Object { name })
            }
            Err(CallError::Result(error)) => State::Lost {
                subject: "its result".to_owned(),
                end: format!("cannot be encoded: {error}"),
            },
            Err(error) => State::Refused(format!(
                "the job was not called: {error}; were this worker and the submitter built from \
                 the same code?"
            )),
        }
    }

    /// Stores the outcome of a job that has begun here, and sees to the rest.
    async fn store(
        self: &Arc<Self>,
        taken: &Taken,
        envelope: &Envelope,
        hold: &Hold,
        state: State,
        attempt: u32,
    ) {
        let mut begun = hold.held.begun.lock().await;
        let Some((sequence, _)) = begun.take() else {
            unreachable!("it has begun here");
        };
        let mark = self.mark(&envelope.job, state);
        match self.link.decide(&taken.id, sequence, &mark).await {
            Ok(Decision::Won(_)) => {
                ServerCounts::add(&self.counts.stored);
                self.finish(taken, envelope, &mark.state, attempt).await;
            }
            // It was handed on. Whoever has it now acknowledges it.
            _ => {
                ServerCounts::add(&self.counts.refused);
                if let State::Done(Payload::Object { name }) = &mark.state {
                    Box::pin(self.link.objects.delete(Of::Results, name)).await;
                }
            }
        }
    }

    /// Writes that no thread has begun the job, and leaves it to another worker.
    async fn give_back(self: &Arc<Self>, taken: &Taken, hold: &Hold, attempt: u32) {
        let mut begun = hold.held.begun.lock().await;
        let Some((sequence, _)) = begun.take() else {
            unreachable!("it has begun here");
        };
        let state = State::Waiting { begun: attempt - 1 };
        let mark = self.mark(&hold.held.job, state);
        if let Ok(Decision::Won(_)) = self.link.decide(&taken.id, sequence, &mark).await {
            ServerCounts::add(&self.counts.given_back);
            self.ack(&taken.reply, Ack::GiveBack(Duration::ZERO)).await;
        }
    }

    /// Gives an outcome to a job that is not called here, unless it has one.
    async fn settle(self: &Arc<Self>, taken: &Taken, envelope: &Envelope, state: &State) {
        let (mut expected, mut attempts) = (0, 0);
        loop {
            let mark = self.mark(&envelope.job, state.clone());
            match self.link.decide(&taken.id, expected, &mark).await {
                Ok(Decision::Won(_)) => {
                    return self.finish(taken, envelope, state, attempts).await;
                }
                Ok(Decision::Lost(None)) => (expected, attempts) = (0, 0),
                Ok(Decision::Lost(Some((sequence, there)))) => match there.state {
                    State::Waiting { begun } => (expected, attempts) = (sequence, begun),
                    // Another worker can call it, and has.
                    State::Begun { .. } => {
                        return self.ack(&taken.reply, Ack::GiveBack(self.lease)).await;
                    }
                    state => return self.finish(taken, envelope, &state, 0).await,
                },
                Err(_) => unreachable!("this mark is small"),
            }
        }
    }

    /// Sees to what an outcome that is stored leaves behind: a dead letter, large arguments, and
    /// the message.
    async fn finish(
        self: &Arc<Self>,
        taken: &Taken,
        envelope: &Envelope,
        state: &State,
        attempts: u32,
    ) {
        if state.is_dead() {
            Box::pin(self.bury(taken, envelope, state, attempts)).await;
        } else if let Payload::Object { name } = &envelope.arguments {
            Box::pin(self.link.objects.delete(Of::Arguments, name)).await;
        }
        self.ack(&taken.reply, Ack::Done).await;
    }

    /// Writes a dead letter, if there is none.
    async fn bury(&self, taken: &Taken, envelope: &Envelope, state: &State, attempts: u32) {
        let why = match state {
            State::Lost { subject, end } => format!("{subject} {end}"),
            State::Refused(why) => why.clone(),
            _ => unreachable!("only these are dead"),
        };
        let body = to_bytes(&DeadBody {
            envelope: envelope.clone(),
            priority: PRIORITIES[taken.priority].to_owned(),
            attempts,
            why: shortened(&why, 1024),
        });
        let mut pause = self.link.pause();
        loop {
            let subject = self.link.names.one("dead", &taken.id);
            match self.link.store(subject, Some(0), body.clone()).await {
                Ok(_) | Err(NotStored::Conflict | NotStored::TooLarge) => return,
                Err(NotStored::Full(_) | NotStored::Unclear) => pause.wait().await,
            }
        }
    }
}

fn message_of(error: &JoinError) -> String {
    let message = error.panic_message().unwrap_or("without a message");
    shortened(message, LONGEST_MESSAGE)
}

/// Returns at most that many bytes of a text.
fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let fits = text.char_indices().map(|(at, _)| at);
    let end = fits.take_while(|at| *at <= most).last().unwrap_or(0);
    format!("{} …", &text[..end])
}
