//! What the examples print: each of them is run, and its lines, its exit status and its files are
//! checked.
//!
//! Nothing is built here. `cargo test` builds the examples; for these tests alone it is
//! `cargo build --examples && cargo test --test examples`.

mod checksum;
mod run;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use run::{Folder, Run, program, run};

/// A second of the originals, as most examples have it.
const SECOND: Duration = Duration::from_millis(100);

// Semaphores.

#[test]
fn producer_and_consumer_work_again_and_again() {
    let run = run("producer_consumer");
    for name in ["producer", "consumer"] {
        let rounds = run.count(|line| line == format!("{name} is working!!!"));
        assert!(rounds > 1, "{name} has worked {rounds} times\n{run}");
    }
    let others = run.count(|line| !line.ends_with(" is working!!!"));
    assert_eq!(others, 0, "{run}");
    run.takes_at_least(5 * SECOND);
}

#[test]
fn there_are_four_keys_and_a_fifth_after_a_release() {
    run("keys").prints([
        "got key 1",
        "got key 2",
        "got key 3",
        "got key 4",
        "no fifth key at once",
        "no fifth key within a second",
        "got key 5",
    ]);
}

#[test]
fn of_twenty_guests_four_at_most_are_in_the_karaoke_box() {
    let run = run("karaoke");
    let (enters, leaves) = ("walks into the karaoke box", "walks out of the karaoke box");
    let guests = (0..20).flat_map(|guest| [enters, leaves].map(|it| format!("guest {guest} {it}")));
    run.prints_in_any_order(guests);
    run.inside(4, enters, leaves);
}

#[test]
fn ten_sleep_in_two_rounds() {
    let run = run("two_rounds");
    run.prints_in_any_order((0..10).map(|number| number.to_string()));
    run.takes_at_least(2 * SECOND);
}

#[test]
fn of_five_workers_two_at_most_sleep() {
    let run = run("two_at_a_time");
    let workers = (1..=5)
        .flat_map(|worker| ["acquire", "release"].map(|verb| format!("worker-{worker} {verb}")));
    run.prints_in_any_order(workers);
    run.inside(2, "acquire", "release");
    run.takes_at_least(10 * SECOND); // twenty seconds of sleep, two at a time
}

// Many tasks.

#[test]
fn the_words_of_files_are_counted_as_without_a_pool() {
    let folder = Folder::new();
    let texts = [
        ("a.txt", "the mill\nthe miller"),
        ("b.md", "The MILL, the flour."),
    ];
    for (name, text) in texts {
        std::fs::write(folder.path.join(name), text).unwrap();
    }
    std::fs::write(folder.path.join("c.png"), "the the the").unwrap();
    let run = folder.run(&mut Command::new(program("word_count")));
    run.exits(0);
    run.prints([
        "      4 the",
        "      2 mill",
        "      1 flour",
        "      1 miller",
        "4 words in 2 files",
    ]);
    let run = Folder::new().run(Command::new(program("word_count")).arg("not there"));
    run.exits(1);
}

#[test]
fn the_first_answer_is_that_of_the_fastest_mill_with_flour() {
    let run = run("first_answer");
    let first = "the first flour is from the water mill";
    assert_eq!(run.count(|line| line == first), 1, "{run}");
    let burnt = "mill 2: the burnt mill has no flour";
    assert_eq!(run.count(|line| line == burnt), 1, "{run}");
    assert_eq!(
        run.count(|line| line.starts_with("mill 3 answers")),
        1,
        "{run}"
    );
    assert_eq!(run.count(|line| line.starts_with("in time: ")), 1, "{run}");
}

#[test]
fn links_are_checked_eight_at_a_time() {
    let run = run("link_checker");
    let gone = |line: &str| line.starts_with("/gone/") && line.ends_with(": status 404");
    assert_eq!(run.count(gone), 5, "{run}");
    let ends = ["5 status 404", "at most 8 at a time"];
    for end in ends {
        assert_eq!(run.count(|line| line == end), 1, "{run}");
    }
}

#[test]
fn twenty_tasks_on_five_threads_have_their_results_in_order() {
    let run = run("twenty_tasks");
    let results = format!("{:?}", (0..20).collect::<Vec<_>>());
    assert_eq!(run.count(|line| line.ends_with(&results)), 3, "{run}");
    run.takes_at_least(32 * SECOND);
}

// Groups.

#[test]
fn a_service_makes_two_reports_at_a_time_and_answers_others_meanwhile() {
    let first = [
        "two of six: busy, come again and busy, come again",
        "meanwhile: pong",
    ];
    let later = ["later: a report"; 4];
    run("service").prints(
        first
            .into_iter()
            .chain(later)
            .chain(["at most 2 at a time"]),
    );
}

#[test]
fn two_subsystems_share_a_pool() {
    let answers = (0..4).map(|user| format!("user {user} is answered: {}", user * 2));
    run("two_subsystems").prints(answers.chain(["20 thumbnails".to_owned()]));
}

// Events.

#[test]
fn the_tour_shows_all_that_an_event_can_do() {
    run("event_tour").prints([
        "false",
        "true",
        "123456",
        "false",
        "nobody has set it for a second",
    ]);
}

#[test]
fn twenty_cars_pass_and_those_that_wait_do_so_before() {
    let run = run("traffic_light");
    let passing: Vec<_> = run.lines_with(" passes").collect();
    let expected = (0..20).map(|car| format!("car {car} passes"));
    run.are_in_any_order(&passing, expected);

    let mut passed = BTreeSet::new();
    let (mut waited, mut light) = (0, ["green", "red"].iter().cycle());
    for line in run.lines() {
        if let Some(car) = line.strip_suffix(" passes") {
            passed.insert(car);
        } else if let Some(car) = line.strip_suffix(" is waiting") {
            waited += 1;
            assert!(
                !passed.contains(car),
                "{car} waits after it has passed\n{run}"
            );
        } else {
            let colour = light.next().expect("a cycle has no end");
            assert_eq!(line, format!("the light is {colour}"), "{run}");
        }
    }
    assert!(waited > 0, "no car waits\n{run}");
}

#[test]
fn one_database_is_up_in_time_and_another_is_not() {
    run("database").prints([
        "checking the connection to the database",
        "connected to the database",
        "checking the connection to the database",
        "attempt 3 to connect to the database failed",
    ]);
}

#[test]
fn one_waits_for_two_seconds_and_another_for_the_event() {
    let run = run("timed_wait");
    run.prints_in_any_order([
        "wait_for_event_timeout: starting",
        "wait_for_event: starting",
        "wait_for_event_timeout: e.is_set()->false",
        "main: event is set",
        "wait_for_event: e.is_set()->true",
    ]);
    run.prints_in_order([
        "wait_for_event_timeout: starting",
        "wait_for_event_timeout: e.is_set()->false",
        "main: event is set",
    ]);
    run.prints_in_order([
        "wait_for_event: starting",
        "main: event is set",
        "wait_for_event: e.is_set()->true",
    ]);
}

#[test]
fn one_waits_for_the_event_that_another_sets() {
    let run = run("wait_for_event");
    run.prints_in_any_order([
        "waiting for event...",
        "setting event...",
        "event has been set.",
    ]);
    assert_eq!(run.lines().last(), Some("event has been set."), "{run}");
}

// Queues.

#[test]
fn the_tour_shows_all_that_a_queue_can_do() {
    run("queue_tour").prints([
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
    ]);
}

#[test]
fn a_word_comes_out_of_the_queue() {
    run("hello").prints(["hello"]);
}

#[test]
fn a_message_goes_from_hand_to_hand() {
    run("pipe").prints(["Hello, receiver!"]);
}

#[test]
fn eaters_end_at_their_end_marks() {
    let run = feast("cooks_end_marks");
    let marks: Vec<_> = run.lines_with(" got an end mark").collect();
    run.are_in_any_order(
        &marks,
        ["alex", "jinboss"].map(|it| format!("{it} got an end mark")),
    );
    assert_eq!(run.lines().count(), 18, "{run}");
}

#[test]
fn eaters_end_when_the_kitchen_closes() {
    let run = feast("cooks_close");
    assert_eq!(run.lines().count(), 16, "{run}");
}

#[test]
fn all_is_eaten_when_join_returns() {
    all_is_eaten_in_the_end(&feast("cooks_join"));
}

#[test]
fn nobody_waits_for_daemons() {
    all_is_eaten_in_the_end(&feast("cooks_daemons"));
}

/// Runs an example with two cooks and two eaters.
#[track_caller]
fn feast(name: &str) -> Run {
    let run = run(name);
    let dishes = |food| (0..4).map(move |number| format!("{food} {number}"));
    let made: Vec<_> = run.lines_with(" made ").collect();
    let expected = [("Egon", "bun"), ("wusir", "swill")]
        .into_iter()
        .flat_map(|(cook, food)| dishes(food).map(move |dish| format!("{cook} made {dish}")));
    run.are_in_any_order(&made, expected);

    let eaten: Vec<_> = ["alex ate ", "jinboss ate "]
        .into_iter()
        .flat_map(|eats| run.lines().filter_map(move |line| line.strip_prefix(eats)))
        .collect();
    run.are_in_any_order(&eaten, dishes("bun").chain(dishes("swill")));
    run.after("made", "ate");
    run
}

#[track_caller]
fn all_is_eaten_in_the_end(run: &Run) {
    assert_eq!(run.lines().count(), 17, "{run}");
    assert_eq!(run.lines().last(), Some("all is eaten"), "{run}");
}

#[test]
fn the_producer_puts_the_end_mark() {
    five_numbers_arrive("mark_by_producer");
}

#[test]
fn main_puts_the_end_mark() {
    five_numbers_arrive("mark_by_main");
}

#[track_caller]
fn five_numbers_arrive(name: &str) {
    let run = run(name);
    for verb in ["Produced", "Consumed"] {
        run.prints_in_order((0..5).map(|number| format!("{verb} {number}")));
    }
    assert_eq!(run.lines().count(), 10, "{run}");
}

#[test]
fn the_urgent_message_comes_first() {
    let run = run("priorities");
    let consumed = [
        "Consumed high-priority message with priority 1",
        "Consumed low-priority message with priority 2",
    ];
    run.prints_in_any_order(consumed.into_iter().chain(["Messages sent"]));
    run.prints_in_order(consumed);
}

#[test]
fn equally_urgent_messages_keep_their_order() {
    run("equal_priorities").prints([
        "Consumed high-priority message one with priority 1",
        "Consumed high-priority message two with priority 1",
        "Consumed low-priority message one with priority 2",
        "Consumed low-priority message two with priority 2",
        "Consumed low-priority message three with priority 2",
    ]);
}

// Work that borrows.

#[test]
fn the_size_of_a_directory_is_that_of_its_files() {
    let folder = Folder::new();
    let (mut bytes, mut files) = (0, 0);
    for inner in [
        "tree",
        "tree/a",
        "tree/a/b",
        "tree/a/b/c",
        "tree/d",
        "tree/empty",
    ] {
        let inner = folder.path.join(inner);
        std::fs::create_dir(&inner).unwrap();
        for n in 0..if inner.ends_with("empty") { 0 } else { 20 } {
            std::fs::write(inner.join(n.to_string()), vec![0; n * 10]).unwrap();
            bytes += n * 10;
            files += 1;
        }
    }
    let run = folder.run(Command::new(program("directory_size")).arg("tree"));
    run.exits(0).prints([
        format!("{bytes} bytes in {files} files"),
        "without threads: the same".to_owned(),
    ]);
    let missing = folder.run(Command::new(program("directory_size")).arg("nowhere"));
    missing.prints(["0 bytes in 0 files", "without threads: the same"]);
    assert!(missing.err.starts_with("nowhere: "), "{missing}");
}

#[test]
fn a_quicksort_sorts_as_std_does() {
    let run = run("quicksort");
    run.prints_in_order(["as std sorts them: true"]);
    assert_eq!(
        run.count(|line| line.starts_with("1000000 numbers, from ")),
        1
    );
}

// Shared state.

#[test]
fn both_lines_of_the_file_are_whole() {
    run("file_lock").prints_in_any_order(["Lock acquired via with", "Lock acquired directly"]);
}

#[test]
fn no_count_is_lost() {
    run("count").prints(["count =  2000000", "count =  2000000"]);
}

#[test]
fn a_number_is_read_after_it_was_written() {
    run("shared_value").prints(["1"]);
}

#[test]
fn an_array_is_read_after_it_was_written() {
    run("shared_array").prints(["[1, 1, 2, 3, 4, 5, 6, 7, 8, 9]"]);
}

#[test]
fn memory_is_read_after_it_was_written() {
    run("shared_memory").prints(["Hello, receiver!"]);
}

// Futures.

#[test]
fn a_thousand_numbers_come_in_order() {
    run("generator").prints((0..1000).map(|number| number.to_string()));
}

#[test]
fn one_eats_and_another_plays_by_turns() {
    run("switch").prints(["eating 1", "playing 1", "eating 2", "playing 2"]);
}

/// The order shows that the sleeps overlap, the time that they are sleeps.
#[test]
fn two_futures_sleep_at_the_same_time() {
    let run = run("sleep");
    run.prints_in_order(["eating 1", "playing 1", "eating 2", "playing 2"]);
    one_second_at_least(&run);
}

#[test]
fn two_closures_sleep_at_the_same_time() {
    let run = run("thread_sleep");
    for (doing, other) in [("eating", "playing"), ("playing", "eating")] {
        run.prints_in_order([format!("{doing} 1"), format!("{other} 2")]);
    }
    one_second_at_least(&run);
}

#[track_caller]
fn one_second_at_least(run: &Run) {
    assert_eq!(run.lines().count(), 5, "{run}");
    assert!(run.figure("seconds: ", "") >= 1.0, "{run}");
}

#[test]
fn fifty_thousand_futures_sleep_on_five_threads() {
    let run = run("sleepers");
    assert_eq!(run.lines().count(), 4, "{run}");
    let threads = run.figure("50000 tasks sleep on ", " threads");
    let bytes_each = run.figure("each takes ", " bytes");
    let bytes_at_most = run.figure("all take ", " bytes at most");
    let seconds = run.figure("they have slept after ", " s");
    assert!((1.0..=5.0).contains(&threads), "{run}");
    assert!((100.0..1000.0).contains(&bytes_each), "{run}");
    assert!((1e7..1e8).contains(&bytes_at_most), "{run}");
    // About one sleep for all. In turn, five threads would sleep for hours.
    assert!((1.0..60.0).contains(&seconds), "{run}");
}

#[test]
fn futures_that_wait_need_no_threads() {
    let run = run("waiting_futures");
    let threads = run.figure("300 futures waited for one, on ", " threads");
    assert!((1.0..=5.0).contains(&threads), "{run}");
    assert_eq!(run.lines().count(), 1, "{run}");
}

#[test]
fn closures_that_wait_get_more_threads() {
    let run = run("waiting_closures");
    let threads = run.figure("300 closures waited for one, on ", " threads");
    assert!((300.0..310.0).contains(&threads), "{run}");
    assert_eq!(run.lines().count(), 1, "{run}");
}

// Sockets.

#[test]
fn a_message_comes_out_of_the_stream() {
    run("stream").prints(["Hello, receiver!"]);
}

#[test]
fn a_message_comes_in_a_datagram() {
    run("datagram").prints(["Hello, receiver!"]);
}

#[test]
fn a_thousand_connections_are_served_at_the_same_time() {
    run("echo_server").prints([
        "1000 connections at the same time",
        "3000 messages answered",
        "the server has ended",
    ]);
}

#[test]
fn a_thousand_clients_get_their_packets_back() {
    run("echo_packets").prints([
        "1000 clients, 3000 packets answered",
        "the server has ended",
    ]);
}

#[test]
fn the_servers_take_numbers_from_the_command_line() {
    let all = ["--clients", "20", "--messages=4", "--threads", "1"];
    for (name, lines) in [
        (
            "echo_server",
            ["20 connections at the same time", "80 messages answered"].as_slice(),
        ),
        ("echo_packets", &["20 clients, 80 packets answered"]),
    ] {
        let folder = Folder::new();
        let run = |arguments: &[&str]| folder.run(Command::new(program(name)).args(arguments));
        run(&all)
            .exits(0)
            .prints(lines.iter().chain(&["the server has ended"]));
        assert!(
            run(&["--help"])
                .exits(0)
                .text
                .contains("--clients <NUMBER>")
        );
        for wrong in [["--clients", "0"], ["--clients", "few"], ["--nothing", "1"]] {
            let run = run(&wrong);
            run.exits(2);
            assert!(run.err.starts_with("error: "), "{run}");
        }
    }
}

#[test]
fn a_page_of_a_running_pool_is_served_by_that_pool() {
    let run = Folder::new().run(Command::new(program("status_page")).arg("40"));
    run.exits(0).prints([
        "40 visits, and the counts added up each time",
        "the server has ended",
    ]);
}

#[cfg(unix)]
#[test]
fn the_server_asks_for_as_many_open_files_as_it_needs() {
    let run = |limit: &str, arguments: &[&str]| {
        let script = format!("{limit}; exec \"$@\"");
        let mut command = Command::new("sh");
        command
            .args(["-c", &script, "sh"])
            .arg(program("echo_server"));
        Folder::new().run(command.args(arguments))
    };
    run("ulimit -S -n 200", &[]).exits(0);
    run("ulimit -n 200", &["--clients", "40"]).exits(0);
    let refused = run("ulimit -n 200", &[]);
    refused.exits(1);
    let complaint = "2100 open files are not allowed";
    assert!(refused.err.contains(complaint), "{refused}");
}
