//! What the examples of hubs and processes print. `cargo test` builds them first; for these tests
//! alone, they are to be built before: `cargo build -p workmill-process --examples`.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The time after which an example hangs.
const HANG: Duration = Duration::from_secs(60);

/// A second of the originals.
const SECOND: Duration = Duration::from_millis(100);

/// What an example has printed, and for how long it ran.
struct Run {
    text: String,
    took: Duration,
}

/// Runs an example, which has to succeed.
#[track_caller]
fn run(name: &str) -> Run {
    let test = std::env::current_exe().expect("this program has a path");
    let folder = test.ancestors().nth(2).expect("it lies in `deps`");
    let mut command = Command::new(folder.join("examples").join(name));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let began = Instant::now();
    let child = command.spawn().expect("`cargo test` builds the examples");
    let id = Pid::from_child(&child);
    let (send, receive) = mpsc::channel::<std::io::Result<Output>>();
    std::thread::spawn(move || send.send(child.wait_with_output()));
    let Ok(output) = receive.recv_timeout(HANG) else {
        let _ = kill_process(id, Signal::KILL);
        panic!("{name} is not at its end after {HANG:?}");
    };
    let output = output.expect("its end can be awaited");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    eprintln!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}", output.status);
    let took = began.elapsed();
    Run { text, took }
}

impl Run {
    #[track_caller]
    fn prints<const N: usize>(&self, lines: [&str; N]) {
        assert_eq!(self.text.lines().collect::<Vec<_>>(), lines);
    }

    #[track_caller]
    fn prints_in_any_order(&self, lines: impl IntoIterator<Item = String>) {
        let mut printed: Vec<_> = self.text.lines().map(str::to_owned).collect();
        let mut expected: Vec<_> = lines.into_iter().collect();
        printed.sort();
        expected.sort();
        assert_eq!(printed, expected);
    }

    /// No more than `most` are inside at a time: between a line with `enters` and one with
    /// `leaves`.
    #[track_caller]
    fn inside(&self, most: usize, enters: &str, leaves: &str) {
        let mut inside = 0;
        for line in self.text.lines() {
            if line.ends_with(enters) {
                inside += 1;
            } else if line.ends_with(leaves) {
                inside -= 1;
            }
            assert!(inside <= most, "{inside} are inside\n{}", self.text);
        }
        assert_eq!(inside, 0);
    }

    /// Returns the number of the line that is `line`.
    #[track_caller]
    fn at(&self, line: &str) -> usize {
        let at = self.text.lines().position(|it| it == line);
        at.unwrap_or_else(|| panic!("`{line}` is not printed"))
    }
}

#[test]
fn of_twenty_guests_four_at_most_are_in_the_karaoke_box() {
    let run = run("process_karaoke");
    let (enters, leaves) = ("walks into the karaoke box", "walks out of the karaoke box");
    let guests = (0..20).flat_map(|guest| [enters, leaves].map(|it| format!("guest {guest} {it}")));
    run.prints_in_any_order(guests);
    run.inside(4, enters, leaves);
}

#[test]
fn there_are_four_keys_and_a_fifth_after_a_release() {
    run("process_keys").prints([
        "got key 1",
        "got key 2",
        "got key 3",
        "got key 4",
        "no fifth key at once",
        "no fifth key within a second",
        "got key 5",
        "4 keys are back",
    ]);
}

#[test]
fn ten_sleep_in_two_rounds() {
    let run = run("process_two_rounds");
    run.prints_in_any_order((0..10).map(|number| number.to_string()));
    assert!(run.took >= 2 * SECOND);
}

#[test]
fn of_five_workers_two_at_most_sleep() {
    let run = run("process_two_at_a_time");
    let verbs = ["acquire", "release"];
    let workers = (1..=5).flat_map(|worker| verbs.map(|verb| format!("process-{worker} {verb}")));
    run.prints_in_any_order(workers);
    run.inside(2, "acquire", "release");
    assert!(
        run.took >= 10 * SECOND,
        "twenty seconds of sleep, two at a time"
    );
}

#[test]
fn two_processes_write_whole_lines_under_a_lock() {
    let lines = ["Lock acquired via with", "Lock acquired directly"];
    run("process_file_lock").prints_in_any_order(lines.map(str::to_owned));
}

#[test]
fn the_tour_shows_all_that_an_event_can_do() {
    let lines = [
        "false",
        "true",
        "123456",
        "false",
        "nobody has set it for a second",
    ];
    run("process_event_tour").prints(lines);
}

#[test]
fn twenty_cars_pass_and_those_that_wait_do_so_before() {
    let run = run("process_traffic_light");
    let mut passed = BTreeSet::new();
    let mut waited = 0;
    let mut light = ["green", "red"].iter().cycle();
    for line in run.text.lines() {
        if let Some(car) = line.strip_suffix(" passes") {
            assert!(passed.insert(car), "{car} passes twice");
        } else if let Some(car) = line.strip_suffix(" is waiting") {
            waited += 1;
            assert!(!passed.contains(car), "{car} waits after it has passed");
        } else {
            let colour = light.next().expect("a cycle has no end");
            assert_eq!(line, format!("the light is {colour}"));
        }
    }
    let cars: BTreeSet<_> = (0..20).map(|car| format!("car {car}")).collect();
    assert!(
        passed
            .iter()
            .copied()
            .eq(cars.iter().map(String::as_str).collect::<BTreeSet<_>>())
    );
    assert!(waited > 0, "no car waits");
}

#[test]
fn one_waits_until_the_event_is_set_and_another_for_two_seconds() {
    let run = run("process_timed_wait");
    let starting = [
        "wait_for_event: starting",
        "wait_for_event_timeout: starting",
    ];
    let rest = [
        "wait_for_event_timeout: e.is_set()->false",
        "main: event is set",
        "wait_for_event: e.is_set()->true",
    ];
    let lines: Vec<_> = run.text.lines().collect();
    assert_eq!(lines.len(), 5);
    let places = rest.map(|line| run.at(line));
    assert!(places.is_sorted(), "{lines:?}");
    assert!(run.at(starting[1]) < places[0] && run.at(starting[0]) < places[2]);
    assert!(run.took >= 3 * SECOND);
}

#[test]
fn a_process_waits_for_the_event_that_another_sets() {
    let run = run("process_wait_for_event");
    assert_eq!(run.text.lines().count(), 3);
    let set = run.at("setting event...");
    let has_been_set = run.at("event has been set.");
    assert!(run.at("waiting for event...") < has_been_set && set < has_been_set);
}

#[test]
fn one_database_is_up_in_time_and_another_is_not() {
    run("process_database").prints([
        "checking the connection to the database",
        "connected to the database",
        "checking the connection to the database",
        "attempt 3 to connect to the database failed",
    ]);
}

#[test]
fn the_tour_shows_all_that_a_queue_can_do() {
    run("process_queue_tour").prints([
        "true",
        "1",
        "2",
        "3",
        "4",
        "5",
        "true",
        "the queue is empty",
        "the queue is empty",
        "no room for 5",
        "5 are left",
    ]);
}

#[test]
fn a_word_goes_from_one_process_to_another() {
    run("process_hello").prints(["hello"]);
}

#[test]
fn five_numbers_are_consumed_in_order_until_the_end_mark_of_main() {
    let run = run("process_mark_by_main");
    let of = |verb: &str| -> Vec<_> {
        let lines = run.text.lines();
        lines
            .filter_map(|line| line.strip_prefix(verb))
            .map(str::to_owned)
            .collect()
    };
    let numbers = ["0", "1", "2", "3", "4"];
    assert_eq!(
        (of("Produced "), of("Consumed ")),
        (numbers.map(str::to_owned).to_vec(), of("Produced "))
    );
    assert_eq!(run.text.lines().count(), 10);
}

#[test]
fn the_urgent_message_comes_first() {
    run("process_priorities").prints([
        "Messages sent",
        "Consumed high-priority message with priority 1",
        "Consumed low-priority message with priority 2",
    ]);
}

/// Each dish is made, and then eaten once.
#[track_caller]
fn eight_dishes_are_eaten(run: &Run) {
    for (cook, food) in [("Egon", "bun"), ("wusir", "swill")] {
        for number in 0..4 {
            let dish = format!("{food} {number}");
            let made = run.at(&format!("{cook} made {dish}"));
            let is_eaten = |line: &&str| line.ends_with(&format!(" ate {dish}"));
            let lines = || run.text.lines();
            assert_eq!(lines().filter(is_eaten).count(), 1, "{dish}");
            assert!(
                lines().position(|line| is_eaten(&line)) > Some(made),
                "{dish}"
            );
        }
    }
}

#[test]
fn the_eaters_end_with_their_end_marks() {
    let run = run("process_cooks_end_marks");
    eight_dishes_are_eaten(&run);
    assert_eq!(run.text.lines().count(), 18);
    assert!(run.at("alex got an end mark") > 0 && run.at("jinboss got an end mark") > 0);
}

#[test]
fn all_is_eaten_when_the_cooks_have_joined_the_queue() {
    let run = run("process_cooks_daemons");
    eight_dishes_are_eaten(&run);
    assert_eq!(run.text.lines().count(), 17);
    assert!(run.text.ends_with("all is eaten\n"), "{}", run.text);
}
