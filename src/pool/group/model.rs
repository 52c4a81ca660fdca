//! A group's permits against cancels, ends, loans and closes.

use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{Arrived, Begins, Group, Loan, Ticket};
use crate::pool::priority::Priority;
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

fn list(begins: Begins<usize>) -> Vec<usize> {
    let mut tasks = Vec::new();
    begins.for_each(|task| tasks.push(task));
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
