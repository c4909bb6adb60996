//! The start-up path in real processes: signals, exit codes, panics, what is printed where.
//!
//! This file is its own process under test: started with `SERVICE_UNDER_TEST` set, it is a small service
//! (`subject.rs`) that does what its settings say; otherwise it runs the tests, which start itself in that way.

#![expect(clippy::unwrap_used, reason = "a test without the standard harness is not known to be one")]

mod process;
mod subject;

use std::process::{ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use process::Subject;

fn main() -> ExitCode {
    if std::env::var_os(process::MARKER).is_some() {
        return subject::main();
    }
    let tests: [(&str, fn()); 17] = [
        ("sigterm_drains_and_exits_0", sigterm_drains_and_exits_0),
        ("sigint_drains_and_exits_0", sigint_drains_and_exits_0),
        ("a_terminal_that_is_closed_is_a_reason_to_drain", sighup_drains),
        ("a_process_told_to_ignore_sighup_goes_on", sighup_ignored_is_ignored),
        ("a_second_signal_ends_a_drain_and_says_what_it_cut_off", a_second_signal_ends_a_drain),
        ("a_second_signal_ends_a_process_whose_threads_are_all_stuck", a_second_signal_ends_a_stuck_process),
        ("a_second_signal_ends_a_process_whose_log_nobody_reads", a_second_signal_ends_a_blocked_process),
        ("a_panic_in_any_task_stops_the_process_with_one_line", a_panic_in_a_task_stops_the_process),
        ("a_panic_is_seen_whatever_the_log_filter_says", a_panic_is_seen_whatever_the_filter),
        ("a_failure_is_one_line_and_its_code", a_failure_is_one_line_and_its_code),
        ("a_failure_is_seen_whatever_the_log_filter_says", a_failure_is_seen_whatever_the_filter),
        ("all_problems_are_printed_before_anything_opens", all_problems_are_printed_before_anything_opens),
        ("an_unknown_flag_exits_2_and_help_goes_to_standard_output", unknown_flags_and_help),
        ("a_reader_that_has_gone_stops_nothing", a_reader_that_has_gone_stops_nothing),
        ("a_variable_of_tokio_s_own_is_not_looked_at", tokios_variable_is_not_looked_at),
        ("logs_are_json_lines_off_a_terminal_and_text_when_asked", logs_are_json_lines_off_a_terminal),
        ("a_blocking_thread_does_not_hold_up_the_end", a_blocking_thread_does_not_hold_up_the_end),
    ];
    let trial = |(name, test): (&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    libtest_mimic::run(&Arguments::from_args(), tests.map(trial).into()).exit_code()
}

fn sigterm_drains_and_exits_0() {
    let mut subject = Subject::start(&["--mode=serve"]);
    subject.wait_for_line("ready to serve");
    subject.signal("TERM");
    let ended = subject.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("SIGTERM: stopping"), "{ended:?}");
    assert_eq!(ended.stdout, "drained\n");
}

fn sigint_drains_and_exits_0() {
    let mut subject = Subject::start(&["--mode=serve"]);
    subject.wait_for_line("ready to serve");
    subject.signal("INT");
    let ended = subject.wait();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "drained\n"), "{ended:?}");
}

fn sighup_drains() {
    let mut subject = Subject::start(&["--mode=serve"]);
    subject.wait_for_line("ready to serve");
    subject.signal("HUP");
    let ended = subject.wait();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "drained\n"), "{ended:?}");
}

fn sighup_ignored_is_ignored() {
    let mut subject = Subject::start_in(&["--mode=serve"], &[process::NOHUP]);
    subject.wait_for_line("ready to serve");
    subject.signal("HUP");
    // Signals are taken in any order, but a process that SIGHUP has ended or stopped would not say this.
    subject.signal("TERM");
    let ended = subject.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("SIGTERM: stopping"), "{ended:?}");
}

fn a_second_signal_ends_a_drain() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut subject = Subject::start(&["--mode=drain-for-ever"]);
        subject.wait_for_line("ready to serve");
        subject.signal("TERM");
        subject.wait_for_line("draining");
        subject.signal(signal);
        let ended = subject.wait();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{ended:?}");
        assert!(ended.stderr.contains("cut off: 12 records, the snapshot of partition 3"), "{ended:?}");
    }
}

fn a_second_signal_ends_a_stuck_process() {
    let mut subject = Subject::start(&["--mode=stuck", "--worker-threads=1"]);
    subject.wait_for_line("stuck");
    subject.signal("TERM");
    subject.wait_for_line("SIGTERM: stopping");
    subject.signal("TERM");
    assert_eq!(subject.wait().code, Some(143));
}

fn a_second_signal_ends_a_blocked_process() {
    // The pipe fills up, and whoever logs is stuck in the write.
    let mut subject = Subject::start_with(&["--mode=flood"], &[], Stdio::piped());
    subject.wait_until_it_floods();
    let ended = subject.signal_until_end("TERM");
    assert_eq!(ended.code, Some(143), "{ended:?}");
}

fn a_panic_in_a_task_stops_the_process() {
    let ended = Subject::start(&["--mode=panic-in-task"]).wait();
    // SIGABRT: 134 for a shell.
    assert_eq!((ended.code, ended.signal), (None, Some(6)), "{ended:?}");
    let line = ended.json_line("bug: ");
    assert_eq!(line["level"], "ERROR");
    let message = line["message"].as_str().unwrap();
    assert!(message.starts_with("bug: the fold lost a record (at "), "{message}");
    assert!(message.contains("subject.rs:"), "{message}");
}

fn a_panic_is_seen_whatever_the_filter() {
    let ended = Subject::start(&["--mode=panic-in-task", "--rust-log=off"]).wait();
    assert_eq!(ended.signal, Some(6), "{ended:?}");
    assert!(ended.stderr.starts_with("bug: the fold lost a record"), "{ended:?}");
}

fn a_failure_is_one_line_and_its_code() {
    let ended = Subject::start(&["--mode=fail"]).wait();
    assert_eq!(ended.code, Some(3), "{ended:?}");
    let line = ended.json_line("no broker");
    assert_eq!(line["message"], "no broker at localhost:1: connection refused; start it");
    assert_eq!((&line["level"], &line["exit_code"]), (&"ERROR".into(), &3.into()));
    assert_eq!(ended.stderr.matches("no broker").count(), 1);
    assert_eq!(Subject::start(&["--mode=not-right"]).wait().code, Some(1));
}

fn a_failure_is_seen_whatever_the_filter() {
    let ended = Subject::start(&["--mode=fail", "--rust-log=off"]).wait();
    assert_eq!(ended.code, Some(3));
    assert_eq!(ended.stderr, "subject: no broker at localhost:1: connection refused; start it\n");
}

fn all_problems_are_printed_before_anything_opens() {
    let ended = Subject::start_in(&["--mode=dance", "--log-format=xml"], &[("WORKER_THREADS", "many")]).wait();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines[0], "subject: 3 problems in the configuration:");
    assert!(lines[1].starts_with("  MODE (--mode): \"dance\" is none of the choices; give serve, "), "{ended:?}");
    for part in ["LOG_FORMAT (--log-format): \"xml\"", "WORKER_THREADS (--worker-threads): \"many\""] {
        assert!(ended.stderr.contains(part), "{ended:?}");
    }
    assert_eq!(lines[4..], ["Nothing was started. `subject --help` lists every setting."]);
}

fn unknown_flags_and_help() {
    let ended = Subject::start(&["--moed=serve"]).wait();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    assert!(ended.stderr.contains("--moed") && ended.stderr.contains("--mode"), "{ended:?}");
    let ended = Subject::start_in(&["--help"], &[("MODE", "wrong")]).wait();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.stdout.contains("[env: MODE]"), "{ended:?}");
}

fn a_reader_that_has_gone_stops_nothing() {
    let mut subject = Subject::start_with(&["--mode=chatter"], &[], Stdio::piped());
    subject.close_outputs();
    let ended = subject.wait();
    assert_eq!((ended.code, ended.signal), (Some(0), None), "{ended:?}");
}

fn tokios_variable_is_not_looked_at() {
    let ended = Subject::start_in(&["--mode=not-right"], &[("TOKIO_WORKER_THREADS", "many")]).wait();
    assert_eq!((ended.code, ended.signal), (Some(1), None), "{ended:?}");
}

fn logs_are_json_lines_off_a_terminal() {
    let ended = Subject::start(&["--mode=chatter"]).wait();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.is_empty());
    for line in ended.stderr.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert_eq!((&line["level"], &line["words"]), (&"INFO".into(), &2.into()));
    }
    let ended = Subject::start_in(&["--mode=chatter"], &[("LOG_FORMAT", "pretty")]).wait();
    assert!(ended.stderr.lines().all(|line| line.contains("INFO") && line.contains("words=2")), "{ended:?}");
    assert!(!ended.stderr.contains('\u{1b}'), "colour off a terminal: {ended:?}");
}

fn a_blocking_thread_does_not_hold_up_the_end() {
    let ended = Subject::start(&["--mode=blocking-thread"]).wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
