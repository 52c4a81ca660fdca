//! A group's permits against cancels, ends, loans and closes.

use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::answers::Begins;
use super::ticket::Ticket;
use super::{Arrived, Begin, Group, Loan, Next};
use crate::error::CancelReason;
use crate::pool::priority::Priority;
use crate::task::End;
use crate::wait::{Cause, Deadline};

type Tasks = Group<usize, ()>;

fn bounded_model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(std::sync::atomic::AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts the tasks that run.
#[derive(Default)]
struct Meter {
    running: AtomicUsize,
}

impl Meter {
    /// Notes that a task begins, of which at most `limit` may run.
    fn begin(&self, limit: usize) {
        let before = self.running.fetch_add(1, Ordering::AcqRel);
        assert!(before < limit, "one more than the limit runs");
    }

    fn end(&self) {
        self.running.fetch_sub(1, Ordering::AcqRel);
    }
}

fn ticket(group: &Arc<Tasks>) -> Arc<Ticket<usize, ()>> {
    Arc::new(group.accept(|_| true).unwrap())
}

fn list(begins: Begins<usize, Tasks>) -> Vec<usize> {
    let mut tasks = Vec::new();
    begins.for_each(|begins| match begins {
        Begin::Task(task) => tasks.push(task),
        Begin::Call(_) => panic!("no task is bare"),
    });
    tasks
}

/// Ends tasks that run, and all that begins by that, and returns the number.
fn run(tickets: &[Arc<Ticket<usize, ()>>], mut begun: Vec<usize>, meter: &Meter) -> usize {
    let mut ran = 0;
    while let Some(task) = begun.pop() {
        meter.begin(1);
        meter.end();
        let left = tickets[task].leave();
        assert!(left.own.is_none());
        begun.extend(list(left.begins));
        tickets[task].finish(None);
        ran += 1;
    }
    ran
}

fn arrive(ticket: &Ticket<usize, ()>, task: usize) -> Vec<usize> {
    match ticket.arrive(task, (), Priority::Normal) {
        Arrived::Begins(task) => vec![task],
        Arrived::Waits | Arrived::AllStand(_) => Vec::new(),
    }
}

/// Asserts that all permits of a group of one are free.
fn assert_free(group: &Arc<Tasks>) {
    let last = ticket(group);
    assert_eq!(arrive(&last, 9), [9]);
    assert!(last.leave().own.is_none());
    last.finish(None);
    assert_eq!(group.unfinished(), 0);
}

/// Bug: the end of a task begins nothing. Bug: a permit is given back twice.
#[test]
fn what_arrives_as_the_permit_comes_free_begins_once() {
    what_arrives_begins_once(|| Tasks::new(1));
}

/// Bug: the end of a task in a group within another begins nothing. Bug: its permits are given back
/// twice.
#[test]
fn what_arrives_as_the_permit_of_a_group_within_comes_free_begins_once() {
    what_arrives_begins_once(|| Tasks::new(1).within(1));
}

fn what_arrives_begins_once(group: fn() -> Arc<Tasks>) {
    bounded_model(3, move || {
        let (group, meter) = (group(), Arc::new(Meter::default()));
        let tickets = [ticket(&group), ticket(&group), ticket(&group)];
        let first = arrive(&tickets[0], 0);
        let other = {
            let (tickets, meter) = (tickets.clone(), Arc::clone(&meter));
            thread::spawn(move || run(&tickets, arrive(&tickets[1], 1), &meter))
        };
        let mut ran = run(&tickets, first, &meter);
        ran += run(&tickets, arrive(&tickets[2], 2), &meter);
        ran += other.join().unwrap();
        assert_eq!(ran, 3);
        assert_free(&group);
    });
}

/// Bug: a task that was cancelled before it arrived waits forever. Bug: a task that is cancelled
/// stays in the queue.
#[test]
fn a_task_is_cancelled_as_it_arrives_or_is_to_begin() {
    bounded_model(3, || {
        let group = Tasks::new(1);
        let tickets = [ticket(&group), ticket(&group)];
        let first = arrive(&tickets[0], 0);
        let canceller = {
            let tickets = tickets.clone();
            thread::spawn(move || {
                let left = tickets[1].leave();
                (left.own.is_some(), list(left.begins).len())
            })
        };
        let mut begun = arrive(&tickets[1], 1);
        // It finds its own task, or the permit that the other has held.
        begun.extend(list(tickets[0].leave().begins));
        tickets[0].finish(None);
        let (was_waiting, begins) = canceller.join().unwrap();
        assert_eq!(first, [0]);
        assert_eq!(begins, 0);
        assert_eq!(begun.len() + usize::from(was_waiting), 1);
        tickets[1].finish(None);
        assert_free(&group);
    });
}

/// Bug: a borrower gives the permits of its lender back to the group.
#[test]
fn a_loan_comes_back_and_nobody_else_has_it_meanwhile() {
    bounded_model(2, || {
        let (group, meter) = (Tasks::new(1), Arc::new(Meter::default()));
        let tickets = [ticket(&group), ticket(&group), ticket(&group)];
        assert_eq!(arrive(&tickets[0], 0), [0]);
        assert!(arrive(&tickets[1], 1).is_empty());
        let other = {
            let (tickets, meter) = (tickets.clone(), Arc::clone(&meter));
            thread::spawn(move || run(&tickets, arrive(&tickets[2], 2), &meter))
        };
        let Loan::Begins(1) = tickets[0].lend_to(&tickets[1]) else {
            panic!("the task waits, and its permit is lent");
        };
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        assert!(!tickets[0].has_permits(&waker));
        meter.begin(1);
        meter.end();
        let left = tickets[1].leave();
        assert!(list(left.begins).is_empty());
        left.lender.into_iter().for_each(Waker::wake);
        tickets[1].finish(None);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(tickets[0].has_permits(&waker));
        let ran = run(&tickets, vec![0], &meter) + other.join().unwrap();
        assert_eq!(ran, 2);
        assert_free(&group);
    });
}

/// Bug: a lender that leaves takes the permits with it that its borrower uses. Bug: a borrower
/// whose lender has left gives only its own permits back.
#[test]
fn a_lender_leaves_as_its_borrower_begins_or_ends() {
    bounded_model(3, || {
        let (outer, meter) = (Tasks::new(1), Arc::new(Meter::default()));
        let inner = outer.within(1);
        let tickets = [ticket(&outer), ticket(&inner)];
        assert_eq!(arrive(&tickets[0], 0), [0]);
        assert!(arrive(&tickets[1], 1).is_empty());
        assert!(matches!(tickets[0].lend_to(&tickets[1]), Loan::Begins(1)));
        let lender = {
            let tickets = tickets.clone();
            thread::spawn(move || {
                let left = tickets[0].leave();
                tickets[0].finish(None);
                list(left.begins).len()
            })
        };
        meter.begin(1);
        let next = ticket(&outer);
        let begun = arrive(&next, 0);
        // The borrower runs still.
        assert!(begun.is_empty());
        meter.end();
        let begins = list(tickets[1].leave().begins).len();
        tickets[1].finish(None);
        assert_eq!(begins + lender.join().unwrap(), 1);
        assert!(next.leave().own.is_none());
        next.finish(None);
        assert_free(&outer);
        assert_free(&inner);
    });
}

/// Bug: a lender that leaves before its borrower has begun leaves its permits to that.
#[test]
fn a_lender_leaves_while_its_borrower_waits_for_another_permit() {
    bounded_model(3, || {
        let outer = Tasks::new(2);
        let inner = outer.within(1);
        let [holder, lender, borrower] = [ticket(&inner), ticket(&outer), ticket(&inner)];
        assert_eq!(arrive(&holder, 0), [0]);
        assert_eq!(arrive(&lender, 1), [1]);
        assert!(arrive(&borrower, 2).is_empty());
        assert!(matches!(lender.lend_to(&borrower), Loan::Waits));
        let leaver = {
            let lender = Arc::clone(&lender);
            thread::spawn(move || {
                let left = lender.leave();
                lender.finish(None);
                list(left.begins).len()
            })
        };
        let begins = list(holder.leave().begins).len();
        holder.finish(None);
        assert_eq!(begins + leaver.join().unwrap(), 1);
        assert!(borrower.leave().own.is_none());
        borrower.finish(None);
        let [one, two] = [ticket(&outer), ticket(&outer)];
        assert_eq!(arrive(&one, 0).len() + arrive(&two, 1).len(), 2);
        drop((one.leave(), two.leave()));
        [one, two].iter().for_each(|ticket| ticket.finish(None));
        assert_free(&inner);
    });
}

/// Bug: the group is closed by a load and a store. Bug: a refusal is not taken back.
#[test]
fn a_closed_group_that_is_idle_stays_idle() {
    bounded_model(3, || {
        let group = Tasks::new(1);
        let outsider = {
            let group = Arc::clone(&group);
            thread::spawn(move || {
                if let Some(ticket) = group.accept(|_| false) {
                    drop(ticket.leave());
                    ticket.finish(None);
                }
            })
        };
        group.close();
        let look = || (group.unfinished() == 0).then_some(());
        let idle = group.idle.wait(Cause::Arrival, Deadline::NEVER, look);
        assert!(idle.is_some());
        assert!(group.accept(|_| false).is_none());
        outsider.join().unwrap();
        assert_eq!(group.unfinished(), 0);
    });
}

/// Bug: the last task to end wakes nobody.
#[test]
fn a_thread_that_waits_for_a_group_is_woken_by_the_last_task() {
    bounded_model(3, || {
        let group = Tasks::new(2);
        let tickets = [ticket(&group), ticket(&group)];
        let enders = tickets.map(|ticket| {
            thread::spawn(move || {
                drop(ticket.leave());
                ticket.finish(None);
            })
        });
        let look = || (group.unfinished() == 0).then_some(());
        group.idle.wait(Cause::Arrival, Deadline::NEVER, look);
        enders.into_iter().for_each(|ender| ender.join().unwrap());
    });
}

/// Threads that put bare tasks of a group of one, and run what begins by that.
struct Bare {
    group: Arc<Tasks>,
    meter: Meter,
    /// Bits of the tasks that have begun.
    ran: AtomicUsize,
}

impl Bare {
    fn of(group: Arc<Tasks>) -> Arc<Self> {
        Arc::new(Self {
            group,
            meter: Meter::default(),
            ran: AtomicUsize::new(0),
        })
    }

    fn accept(&self) {
        assert!(self.group.accept_bare(|_| true));
    }

    /// Puts a task that was accepted, and runs what begins.
    fn put(&self, task: usize) {
        if let Arrived::Begins(group) = self.group.put(task) {
            self.run(vec![Begin::Call(group)], &[]);
        }
    }

    fn run_one(&self, task: usize) {
        self.meter.begin(1);
        let before = self.ran.fetch_or(1 << task, Ordering::AcqRel);
        assert_eq!(before & 1 << task, 0, "a task runs once");
        self.meter.end();
    }

    /// Runs what begins, and all that begins by that.
    fn run(&self, mut begins: Vec<Begin<usize, Tasks>>, tickets: &[Arc<Ticket<usize, ()>>]) {
        while let Some(next) = begins.pop() {
            match next {
                Begin::Call(group) => match group.call() {
                    Some(task) => self.run_call(task).for_each(|it| begins.push(it)),
                    None => group.give_back().for_each(|it| begins.push(it)),
                },
                Begin::Task(task) => {
                    self.run_one(task);
                    let ticket = &tickets[task];
                    ticket.leave().begins.for_each(|it| begins.push(it));
                    ticket.finish(None);
                }
            }
        }
    }

    /// Runs the task of a call, and those with which the call goes on.
    fn run_call(&self, mut task: usize) -> Begins<usize, Tasks> {
        loop {
            self.run_one(task);
            let next = self.group.next(End::Returned, true);
            self.group.finish_bare();
            match next {
                Next::Runs(next) => task = next,
                Next::Begins(begins) => return begins,
            }
        }
    }
}

/// Bug: the permit comes free while the inbox is open.
#[test]
fn a_bare_task_that_is_put_as_the_permit_comes_free_begins() {
    what_is_put_begins(|| Tasks::new(1));
}

/// Bug: a call that has run its task keeps its permits.
#[test]
fn a_bare_task_that_is_put_as_the_permit_of_a_group_within_comes_free_begins() {
    what_is_put_begins(|| Tasks::new(1).within(1));
}

fn what_is_put_begins(group: fn() -> Arc<Tasks>) {
    bounded_model(3, move || {
        let all = Bare::of(group());
        (0..4).for_each(|_| all.accept());
        let other = {
            let all = Arc::clone(&all);
            thread::spawn(move || {
                all.put(0);
                all.put(1);
            })
        };
        all.put(2);
        all.put(3);
        other.join().unwrap();
        assert_eq!(all.ran.load(Ordering::Acquire), 0b1111);
        assert_free(&all.group);
    });
}

/// Bug: a task with a ticket arrives before those in the inbox.
#[test]
fn bare_tasks_and_those_with_tickets_keep_their_order() {
    bounded_model(3, || {
        let all = Bare::of(Tasks::new(1));
        (0..4).for_each(|_| all.accept());
        let Arrived::Begins(call) = all.group.put(0) else {
            panic!("the permit is free");
        };
        let submitter = {
            let all = Arc::clone(&all);
            thread::spawn(move || {
                let ticket = ticket(&all.group);
                all.put(1);
                all.put(2);
                let tickets: Vec<_> = (0..4).map(|_| Arc::clone(&ticket)).collect();
                let begun = arrive(&ticket, 3);
                // If it begins, it begins last.
                assert!(begun.is_empty() || all.ran.load(Ordering::Acquire) == 0b111);
                let begun = begun.into_iter().map(Begin::Task).collect();
                all.run(begun, &tickets);
                ticket
            })
        };
        // Others have begun when the last does.
        let first = call.call().unwrap();
        let mut begins = Vec::new();
        all.run_call(first).for_each(|it| begins.push(it));
        let ticket = submitter.join().unwrap();
        let tickets: Vec<_> = (0..4).map(|_| Arc::clone(&ticket)).collect();
        for next in begins {
            match next {
                Begin::Task(3) => {
                    assert_eq!(all.ran.load(Ordering::Acquire), 0b111, "it came last");
                    all.run(vec![Begin::Task(3)], &tickets);
                }
                next => all.run(vec![next], &tickets),
            }
        }
        all.put(3 + 1);
        assert_eq!(all.ran.load(Ordering::Acquire), 0b11111);
        assert_free(&all.group);
    });
}

/// Bug: a task that is ready is left behind. Bug: one in the inbox is left behind. Bug: a call that
/// finds no task keeps its permits.
#[test]
fn a_bare_task_begins_or_is_taken_as_its_group_is_stopped() {
    bounded_model(3, || {
        let all = Bare::of(Tasks::new(1));
        (0..4).for_each(|_| all.accept());
        let Arrived::Begins(call) = all.group.put(0) else {
            panic!("the permit is free");
        };
        let other = {
            let all = Arc::clone(&all);
            thread::spawn(move || all.put(3))
        };
        all.put(1);
        all.put(2);
        let stopped = all.group.stop(|()| ());
        let taken = stopped.bare.iter().chain(&stopped.ready);
        let taken = taken.fold(0, |bits, taken| bits | 1 << taken.task);
        assert_eq!(taken & 0b111, 0b111, "they have not begun");
        all.run(vec![Begin::Call(call)], &[]);
        other.join().unwrap();
        assert_eq!(all.ran.load(Ordering::Acquire) ^ taken, 0b1111);
        for taken in stopped.bare.into_iter().chain(stopped.ready) {
            taken.bare.unwrap().cancel_bare(CancelReason::Shutdown);
        }
        assert_free(&all.group);
    });
}

/// Bug: the ticket of a bare task has no permits.
#[test]
fn a_bare_task_lends_its_permit_by_the_ticket_that_it_gets() {
    bounded_model(3, || {
        let all = Bare::of(Tasks::new(1));
        (0..2).for_each(|_| all.accept());
        let Arrived::Begins(call) = all.group.put(0) else {
            panic!("the permit is free");
        };
        let other = {
            let all = Arc::clone(&all);
            thread::spawn(move || all.put(1))
        };
        assert_eq!(call.call(), Some(0));
        let (lender, borrower) = (call.ticket(), ticket(&all.group));
        assert!(arrive(&borrower, 2).is_empty());
        assert!(matches!(lender.lend_to(&borrower), Loan::Begins(2)));
        all.run_one(2);
        let left = borrower.leave();
        assert!(list(left.begins).is_empty());
        borrower.finish(None);
        all.run_one(0);
        let mut begins = Vec::new();
        lender.leave().begins.for_each(|it| begins.push(it));
        lender.finish(None);
        all.run(begins, &[]);
        other.join().unwrap();
        // If it was put after the last look, the thread that has put it has run it.
        assert_eq!(all.ran.load(Ordering::Acquire), 0b111);
        assert_free(&all.group);
    });
}
