//! What stands on the screen, line by line where it matters.

use ratatui::{Terminal, backend::TestBackend, style::Modifier};
use serde_json::{Value, json};

use super::*;
use crate::top::{address::Address, feed::Heard, figures::Event, keys::Action, model::Grouping};

/// Numbers of which each is another, so that what stands where shows.
pub(in crate::top) fn figures() -> Value {
    let cell = |count: u64, sum: &str| json!({"count": count, "sum_minor": sum});
    let both = |eur: u64, jpy: u64| json!({"EUR": cell(eur, "123456"), "JPY": cell(jpy, "7890")});
    let currency =
        |count: u64, sum: &str| json!({"count": count, "sum_minor": sum, "min_minor": 58, "max_minor": 454_917});
    let ledger = json!({
        "consumed": 1_300, "accepted": 1_211, "redelivered": 13, "repeated": 17,
        "rejected": {"malformed_json": 40, "empty": 19, "future_dated": 0},
        "on_time": 1_150, "revised": 38, "too_late": 23, "offsets_without_record": 3, "missing_from_sequence": 0,
    });
    json!({
        "time": "2026-11-20T19:12:01.123Z",
        "caught_up": true, "ready": true, "unmet": [],
        "summary": {
            "ledger": ledger,
            "totals": {
                "currency": {"EUR": currency(1_000, "668353164"), "JPY": currency(211, "89633955")},
                "type": {"purchase": both(900, 111), "refund": both(100, 100)},
                "category": {"fuel": both(1_000, 211)},
                "country": {"FR": both(600, 11), "JP": both(400, 200)},
                "channel": {"card_present": both(1_000, 211)},
            },
            "partitions": [], "partitions_missing": [],
        },
        "balance": {"balanced": true, "offsets": 1_310, "skipped": 7, "ledger": ledger, "partitions_missing": []},
        "partitions": [partition(0, 4), partition(1, 0)],
        "windows": [
            {"window_start": "2026-11-20T19:12:00.000Z", "window_end": "2026-11-20T19:13:00.000Z", "closed": false,
             "revision": 0, "count": 77, "cells": {}},
            {"window_start": "2026-11-20T19:11:00.000Z", "window_end": "2026-11-20T19:12:00.000Z", "closed": true,
             "revision": 5, "count": 1_134, "cells": {}},
        ],
        "producers": {"missing_from_sequence": 0, "evicted": 0, "more": false, "producers": [
            {"incarnation": "00000000deadbeef", "partitions": 2, "records_numbered": "1234"}]},
        "latency": {"records": 99, "p50_us": 613, "p99_us": 8_084, "max_us": 9_000},
    })
}

fn partition(number: i32, lag: i64) -> Value {
    json!({
        "partition": number, "owned": true,
        "durable": {"first_offset": 0, "next_offset": 655 + number, "skipped": 0, "age_ms": 405, "generation": 1,
                    "watermark": "2026-11-20T19:11:57.000Z"},
        "live": {"next_offset": 700, "high_watermark": 704, "lag_records": lag, "folded": 700},
    })
}

fn heard(figures: &Value) -> Heard {
    Heard::Event(Event::parse(figures.to_string().as_bytes()).unwrap())
}

fn of(figures: &Value) -> Model {
    let mut model = Model::new("http://tally.example:8080".parse::<Address>().unwrap());
    model.hear(heard(figures), 0);
    model
}

fn screen(model: &mut Model, columns: u16, rows: u16, now_ms: u64) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal
        .draw(|frame| model.drawn(draw(frame.area(), model, now_ms, Theme::new(true), frame.buffer_mut())))
        .unwrap();
    terminal
}

fn lines(model: &mut Model, columns: u16, rows: u16, now_ms: u64) -> Vec<String> {
    let terminal = screen(model, columns, rows, now_ms);
    let buffer = terminal.backend().buffer();
    (0..rows).map(|y| (0..columns).map(|x| buffer[(x, y)].symbol()).collect()).collect()
}

/// The line that has `words`, however many blanks stand between them.
#[track_caller]
fn line(lines: &[String], words: &str) -> String {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut all, words) = (lines.iter().map(|line| squeezed(line)), squeezed(words));
    all.find(|line| line.contains(&words)).unwrap_or_else(|| panic!("{words:?} is nowhere in\n{}", lines.join("\n")))
}

#[test]
fn all_of_it_is_there_on_a_roomy_terminal() {
    let mut model = of(&figures());
    let lines = lines(&mut model, 120, 40, 0);
    assert!(lines[0].starts_with(" Tally  ● LIVE  http://tally.example:8080"), "{}", lines[0]);
    assert!(lines[0].ends_with("2026-11-20 19:12:01 UTC "), "{}", lines[0]);
    assert!(lines[2].contains("1 211") && lines[2].contains("8.08 ms") && lines[2].contains('4'), "{}", lines[2]);
    assert!(lines[3].contains("of 1 300 read") && lines[3].contains("p50 613 µs"), "{}", lines[3]);
    line(&lines, "ledger balances");
    line(&lines, "1 310 =    1 300 +           3 +        7  ✓");
    line(&lines, "1 300 =    1 211 +          13 +       17 +       59  ✓");
    line(&lines, "1 211 =    1 150 +          38 +       23  ✓");
    line(&lines, "EUR 1 000 ███");
    line(&lines, "82.6 % 6 683 531.64 ");
    // Yen have no minor unit.
    line(&lines, "17.4 % 89 633 955 ");
    line(&lines, "19:12:00 77 open");
    line(&lines, "1 134  closed, +5 late");
    line(&lines, "malformed json       40  3.1 %");
    assert!(lines.iter().all(|line| !line.contains("future dated")), "reasons that never occurred are left out");
    line(&lines, "0  here         4            655  2026-11-20 19:11:57  405 ms");
    line(&lines, "nothing missing");
    line(&lines, "00000000deadbeef           2             1 234");
}

#[test]
fn a_small_terminal_has_what_matters_and_one_list_at_a_time() {
    let mut model = of(&figures());
    let first = lines(&mut model, 80, 24, 0);
    line(&first, "1 300 =    1 211 +          13 +       17 +       59  ✓");
    line(&first, " totals  windows  partitions  rejected  producers  by currency ");
    line(&first, "6 683 531.64");
    assert!(first.iter().all(|line| !line.contains("malformed")));
    for _ in 0..3 {
        model.act(Action::NextPanel);
    }
    let rejected = lines(&mut model, 80, 24, 0);
    line(&rejected, "malformed json       40  3.1 %");
    assert!(rejected.iter().all(|line| !line.contains("6 683 531.64")));
    assert_eq!(lines(&mut model, 50, 10, 0)[0], "50×10 is too small: 60×16 at least. q quits.      ");
}

#[test]
fn no_size_is_too_odd_to_draw() {
    let mut model = of(&figures());
    for columns in (0..150).step_by(7) {
        for rows in (0..60).step_by(3) {
            screen(&mut model, columns, rows, 0);
            model.act(Action::NextPanel);
        }
    }
}

#[test]
fn keys_tell_totals_apart_in_five_ways() {
    let mut model = of(&figures());
    let names =
        [("EUR", "JPY"), ("purchase", "refund"), ("fuel", "fuel"), ("FR", "JP"), ("card present", "card present")];
    for (grouping, (first, second)) in Grouping::ALL.into_iter().zip(names) {
        model.act(Action::Group(grouping));
        let lines = lines(&mut model, 120, 40, 0);
        assert!(lines[15].trim_start_matches(['│', ' ']).starts_with(first), "{}", lines[15]);
        line(&lines, second);
    }
    let by_channel = lines(&mut model, 120, 40, 0);
    line(&by_channel, "card present 1 211 ");
    line(&by_channel, "100.0 % 1 234.56 EUR 7 890 JPY");
    model.act(Action::NextGrouping);
    assert_eq!(model.grouping(), Grouping::Currency);
    model.act(Action::PreviousGrouping);
    assert_eq!(model.grouping(), Grouping::Channel);
}

#[test]
fn a_ledger_that_does_not_add_up_is_said_loudly_also_where_the_consumer_claims_that_it_does() {
    let mut wrong = figures();
    wrong["balance"]["ledger"]["repeated"] = json!(18);
    let lines = lines(&mut of(&wrong), 120, 40, 0);
    assert!(lines[0].contains("The ledger does not balance: a bug"), "{}", lines[0]);
    line(&lines, "ledger DOES NOT BALANCE");
    line(&lines, "1 300 ≠    1 211 +          13 +       18 +       59  ✗");
    line(&lines, "1 211 =    1 150 +          38 +       23  ✓");
}

#[test]
fn figures_that_are_not_of_now_are_grey_and_say_of_when_they_are() {
    let mut model = of(&figures());
    let coloured = |terminal: &Terminal<TestBackend>| {
        let buffer = terminal.backend().buffer();
        let cells = (1..39).flat_map(|y| (0..120).map(move |x| (x, y)));
        cells
            .filter(|&place| {
                !buffer[place].modifier.contains(Modifier::DIM) || buffer[place].fg != ratatui::style::Color::Reset
            })
            .count()
    };
    assert!(coloured(&screen(&mut model, 120, 40, 3_500)) > 1_000);
    let old = screen(&mut model, 120, 40, 3_501);
    assert_eq!(coloured(&old), 0);
    let first = lines(&mut model, 120, 40, 3_501).swap_remove(0);
    assert!(first.starts_with(" Tally  ○ NOT LIVE  Figures of 19:12:01 UTC. The consumer does not answer."), "{first}");
    model.hear(Heard::Lost("connection refused".to_owned()), 3_600);
    let first = lines(&mut model, 120, 40, 3_600).swap_remove(0);
    assert!(first.contains("Reconnecting: connection refused"), "{first}");
    model.hear(heard(&figures()), 9_000);
    assert!(lines(&mut model, 120, 40, 9_000)[0].contains("● LIVE"));
}

#[test]
fn paused_figures_say_so_and_nothing_is_missed_meanwhile() {
    let mut model = of(&figures());
    model.act(Action::Pause);
    let mut later = figures();
    later["time"] = json!("2026-11-20T19:12:09.000Z");
    later["summary"]["totals"]["currency"]["EUR"]["count"] = json!(5_555);
    model.hear(heard(&later), 1_000);
    let paused = lines(&mut model, 120, 40, 1_000);
    assert!(paused[0].contains("‖ PAUSED  at 19:12:01 UTC") && !paused[0].contains("LIVE"), "{}", paused[0]);
    assert!(paused.iter().all(|line| !line.contains("5 555")));
    // Paused or not, that there are no newer ones is not kept back.
    assert!(lines(&mut model, 120, 40, 9_000)[0].contains("○ NOT LIVE  Paused at 19:12:01 UTC."));
    model.act(Action::Pause);
    line(&lines(&mut model, 120, 40, 1_000), "5 555");
}

#[test]
fn what_is_wrong_with_the_consumer_is_said_although_it_answers() {
    let mut unready = figures();
    unready["ready"] = json!(false);
    unready["unmet"] = json!([{"condition": "kafka", "reason": "no broker answers"}]);
    assert!(lines(&mut of(&unready), 120, 40, 0)[0].contains("! LIVE  Not ready: no broker answers"));

    let starting = json!({"caught_up": false, "unmet": [{"condition": "kafka", "reason": "no broker answers"}]});
    let mut model = of(&figures());
    model.hear(heard(&starting), 0);
    assert!(lines(&mut model, 120, 40, 0)[0].contains("The consumer is not ready: no broker answers."));

    let mut incomplete = figures();
    incomplete["summary"]["partitions_missing"] = json!([1]);
    assert!(lines(&mut of(&incomplete), 120, 40, 0)[0].contains("1 of 2 partitions not counted yet"));
    let mut quiet = figures();
    for place in 0..2 {
        quiet["partitions"][place]["durable"]["age_ms"] = json!(5_001);
    }
    assert!(lines(&mut of(&quiet), 120, 40, 0)[0].contains("nothing new is being counted"));
}

#[test]
fn columns_of_newer_consumers_are_shown_where_they_are_said() {
    let mut newer = figures();
    newer["partitions"][0]["live"]["lag_ms"] = json!(1_234);
    newer["partitions"][1]["durable"]["written_by"] = json!("consumer-7f");
    let mut model = of(&newer);
    let wide = lines(&mut model, 200, 50, 0);
    line(&wide, "worked on lag lag in time offset event time, UTC age written by");
    line(&wide, "0 here 4 1.2 s 655");
    line(&wide, "405 ms consumer-7f");
    assert!(lines(&mut of(&figures()), 200, 50, 0).iter().all(|line| !line.contains("written by")));
}

#[test]
fn nothing_that_a_server_sends_steers_the_terminal() {
    let evil = "\u{1b}[31mX\u{7}\u{9b}2J\u{202e}Y";
    let mut hostile = figures();
    hostile["time"] = json!(evil);
    hostile["summary"]["totals"]["currency"][evil] =
        json!({"count": 9, "sum_minor": evil, "min_minor": 1, "max_minor": 2});
    hostile["balance"]["ledger"]["rejected"][evil] = json!(0);
    hostile["partitions"][0]["durable"]["watermark"] = json!(evil);
    hostile["windows"][0]["window_start"] = json!(evil);
    let mut model = of(&hostile);
    for (columns, rows) in [(120, 40), (80, 24), (200, 60)] {
        let all = lines(&mut model, columns, rows, 0).concat();
        assert!(!all.contains(|character: char| character.is_control() || character == '\u{202e}'));
        assert!(all.contains("[31mX2JY"), "what is harmless of it is shown");
    }
}

#[test]
fn a_long_list_is_scrolled_to_its_end_and_no_further() {
    let mut long = figures();
    long["partitions"] = (0..100).map(|number| partition(number, 0)).collect();
    let mut model = of(&long);
    for _ in 0..2 {
        model.act(Action::NextPanel);
    }
    line(&lines(&mut model, 80, 24, 0), "7 of 100");
    model.act(Action::Scroll(isize::MAX));
    let end = lines(&mut model, 80, 24, 0);
    line(&end, "100 of 100");
    line(&end, " 754 ");
    model.act(Action::Scroll(-1));
    line(&lines(&mut model, 80, 24, 0), "99 of 100");
    model.act(Action::Scroll(isize::MIN));
    line(&lines(&mut model, 80, 24, 0), "7 of 100");
}

#[test]
fn help_names_the_keys_and_any_key_ends_it() {
    let mut model = of(&figures());
    model.act(Action::Help);
    line(&lines(&mut model, 60, 16, 0), "Any key goes back.");
    line(&lines(&mut model, 80, 24, 0), "totals by currency, type, category, country, channel");
    model.act(Action::Pause);
    assert!(!model.is_helping() && !model.is_paused());
}

#[test]
fn without_colours_nothing_has_any() {
    let mut model = of(&figures());
    model.hear(heard(&figures()), 10);
    let area = Rect::new(0, 0, 120, 40);
    for now_ms in [10, 99_999] {
        let mut buffer = Buffer::empty(area);
        draw(area, &model, now_ms, Theme::new(false), &mut buffer);
        let reset = ratatui::style::Color::Reset;
        assert!(buffer.content.iter().all(|cell| cell.fg == reset && cell.bg == reset));
        assert!(buffer.content.iter().any(|cell| cell.modifier.contains(Modifier::REVERSED)));
    }
}
