//! The tasks of one group that wait for a permit.

use std::collections::VecDeque;

use crate::pool::priority::Priority;

/// Of this number of tasks that are taken, one is of normal priority first, and one of low, so that
/// no class waits forever.
const TURNS: usize = 32;

/// The memory that is kept when a queue is empty is enough for this many tasks.
pub(super) const KEPT: usize = 1024;

/// The index of the queue of borrowers, behind those of the classes.
const BORROWERS: usize = 3;

/// The place of a task: its queue, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    queue: usize,
    number: u64,
}

/// Tasks in order of arrival: a queue for each class, and one for those to which a waiting task has
/// lent its permits. Any can be taken out.
pub(super) struct Waiting<T> {
    queues: [Queue<T>; 4],
    taken: usize,
}

/// A task that waits, with the key of its ticket, if it has one.
type Waiter<T> = (Option<usize>, T);

struct Queue<T> {
    /// In order of their numbers. A task that was taken out of the middle has left a gap.
    tasks: VecDeque<(u64, Option<Waiter<T>>)>,
    gaps: usize,
    next: u64,
}

impl<T> Waiting<T> {
    pub(super) fn new() -> Self {
        let queue = || Queue {
            tasks: VecDeque::new(),
            gaps: 0,
            next: 0,
        };
        Self {
            queues: [queue(), queue(), queue(), queue()],
            taken: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queues.iter().all(|queue| queue.tasks.is_empty())
    }

    /// Returns `true` if no task of a class waits, except borrowers.
    pub(super) fn has_none_of(&self, class: Priority) -> bool {
        self.queues[class as usize].tasks.is_empty()
    }

    /// Adds the task of a ticket, or a bare one, behind those of its class.
    pub(super) fn push(&mut self, class: Priority, ticket: Option<usize>, task: T) -> Place {
        self.push_to(class as usize, ticket, task)
    }

    /// Adds the task of a ticket that borrows permits.
    pub(super) fn push_borrower(&mut self, ticket: usize, task: T) -> Place {
        self.push_to(BORROWERS, Some(ticket), task)
    }

    fn push_to(&mut self, queue: usize, ticket: Option<usize>, task: T) -> Place {
        let Queue { tasks, next, .. } = &mut self.queues[queue];
        let number = *next;
        *next += 1;
        tasks.push_back((number, Some((ticket, task))));
        Place { queue, number }
    }

    pub(super) fn has_borrowers(&self) -> bool {
        !self.queues[BORROWERS].tasks.is_empty()
    }

    /// Returns the tickets of the tasks that borrow permits, and their places.
    pub(super) fn borrowers(&self) -> impl Iterator<Item = (usize, Place)> {
        let borrowers = self.queues[BORROWERS].tasks.iter();
        borrowers.filter_map(|(number, task)| {
            let (ticket, _) = task.as_ref()?;
            let (queue, number) = (BORROWERS, *number);
            Some(((*ticket)?, Place { queue, number }))
        })
    }

    /// Returns the ticket of the task that is to be taken next, of those that borrow nothing, if it
    /// has one, and its place.
    pub(super) fn peek(&self) -> Option<(Option<usize>, Place)> {
        let [high, normal, low] = Priority::ALL;
        let is_empty = |class| self.queues[class as usize].tasks.is_empty();
        if is_empty(high) && is_empty(low) {
            return self.first_of(normal);
        }
        let order = match self.taken % TURNS {
            0 if self.taken > 0 => [low, normal, high],
            turn if turn == TURNS / 2 => [normal, high, low],
            _ => [high, normal, low],
        };
        order.into_iter().find_map(|class| self.first_of(class))
    }

    /// Returns the ticket of the task that has waited longest, if it has one, and its place.
    pub(super) fn oldest(&self) -> Option<(Option<usize>, Place)> {
        let [high, normal, low] = Priority::ALL;
        let order = [low, normal, high];
        order.into_iter().find_map(|class| self.first_of(class))
    }

    fn first_of(&self, class: Priority) -> Option<(Option<usize>, Place)> {
        let queue = class as usize;
        let (number, task) = self.queues[queue].tasks.front()?;
        let (ticket, _) = task.as_ref().expect("no gap is first");
        let number = *number;
        Some((*ticket, Place { queue, number }))
    }

    /// Takes the task that is to be taken next.
    pub(super) fn take_next(&mut self, place: Place) -> T {
        self.taken += 1;
        self.take(place)
    }

    /// Takes a task out.
    pub(super) fn take(&mut self, Place { queue, number }: Place) -> T {
        let queue = &mut self.queues[queue];
        let task = match queue.tasks.front() {
            Some(&(first, _)) if first == number => {
                let first = queue.tasks.pop_front();
                first.and_then(|(_, task)| task)
            }
            _ => {
                let found = queue.tasks.binary_search_by_key(&number, |&(it, _)| it);
                queue.gaps += 1;
                let index = found.expect("a task is where it waits");
                queue.tasks[index].1.take()
            }
        };
        if queue.gaps > 0 {
            queue.close_gaps();
        }
        if queue.tasks.is_empty() && queue.tasks.capacity() > KEPT {
            queue.tasks = VecDeque::new();
        }
        let (_, task) = task.expect("a task is taken once");
        task
    }

    /// Takes all bare tasks out.
    pub(super) fn take_bare(&mut self) -> Vec<T> {
        let mut bare = Vec::new();
        for queue in &mut self.queues {
            for (_, place) in &mut queue.tasks {
                if let Some((_, task)) = place.take_if(|(ticket, _)| ticket.is_none()) {
                    bare.push(task);
                    queue.gaps += 1;
                }
            }
            queue.close_gaps();
        }
        bare
    }

    /// Takes all tasks out, with their tickets.
    pub(super) fn take_all(&mut self) -> Vec<(Option<usize>, T)> {
        let mut all = Vec::new();
        for queue in &mut self.queues {
            all.extend(queue.tasks.drain(..).filter_map(|(_, task)| task));
            queue.gaps = 0;
        }
        all
    }
}

impl<T> Queue<T> {
    /// Removes the gaps at both ends, and all if they are many.
    fn close_gaps(&mut self) {
        while matches!(self.tasks.front(), Some((_, None))) {
            self.tasks.pop_front();
            self.gaps -= 1;
        }
        while matches!(self.tasks.back(), Some((_, None))) {
            self.tasks.pop_back();
            self.gaps -= 1;
        }
        if self.gaps > 64 && self.gaps > self.tasks.len() / 2 {
            self.tasks.retain(|(_, task)| task.is_some());
            self.gaps = 0;
        }
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;

    fn take(waiting: &mut Waiting<u32>) -> Option<u32> {
        let (_, place) = waiting.peek()?;
        Some(waiting.take_next(place))
    }

    #[test]
    fn gaps_are_closed_and_the_rest_keeps_its_order() {
        let mut waiting = Waiting::new();
        let places: Vec<_> = (0..1000)
            .map(|n| waiting.push(Priority::Normal, Some(0), n))
            .collect();
        for n in (0..1000).filter(|n| n % 10 != 5) {
            assert_eq!(waiting.take(places[n as usize]), n);
        }
        assert!(waiting.queues[1].tasks.len() <= 200);
        let borrower = waiting.push_borrower(9, 7);
        assert_eq!(waiting.borrowers().collect::<Vec<_>>(), [(9, borrower)]);
        assert_eq!(waiting.take(borrower), 7);
        let rest: Vec<_> = std::iter::from_fn(|| take(&mut waiting)).collect();
        let fives = (0..1000).filter(|n| n % 10 == 5);
        assert_eq!(rest, fives.collect::<Vec<_>>());
        assert!(waiting.is_empty());
    }

    #[test]
    fn bare_tasks_are_taken_from_among_the_others() {
        let mut waiting = Waiting::new();
        for n in 0..1000 {
            let ticket = Some(n as usize).filter(|n| n % 3 == 0);
            waiting.push(Priority::Normal, ticket, n);
        }
        let bare = waiting.take_bare();
        assert!(bare.iter().all(|n| n % 3 != 0));
        assert_eq!(bare.len(), 666);
        let rest: Vec<_> = std::iter::from_fn(|| {
            let (ticket, place) = waiting.peek()?;
            Some((ticket?, waiting.take_next(place)))
        })
        .collect();
        assert!(rest.iter().all(|(ticket, task)| *ticket == *task as usize));
        assert_eq!(rest.len(), 334);
        assert!(waiting.is_empty());
    }

    #[test]
    fn each_class_has_its_turn_among_thirty_two() {
        let mut waiting = Waiting::new();
        for class in Priority::ALL {
            for _ in 0..100 {
                waiting.push(class, Some(0), class as u32);
            }
        }
        let taken: Vec<_> = (0..64).filter_map(|_| take(&mut waiting)).collect();
        let count = |class| taken.iter().filter(|it| **it == class as u32).count();
        assert_eq!((count(Priority::High), count(Priority::Normal)), (61, 2));
        assert_eq!(count(Priority::Low), 1);
    }
}
