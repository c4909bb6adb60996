//! The settings as people see them: what `--help` adds to a flag, and the table in the README.
//!
//! Both come from the declaration itself: names and meanings from clap, defaults and ranges from the getters that
//! [`Settings::validate`](super::Settings::validate) calls.

use std::fmt::Write as _;

use clap::{Arg, Command};

use super::{Described, Problems, flag, is_secret, variable};

/// What is said of a setting that is a secret.
const SECRET_MEANING: &str = "A secret: only the variable, no flag, because arguments can be seen by others";

/// One setting, ready to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The environment variable.
    pub variable: String,
    /// The flag, unless it is a secret.
    pub flag: Option<String>,
    /// The default; empty where leaving it out means something of its own.
    pub default: String,
    /// What is valid, with range and unit.
    pub valid: String,
    /// What it does: the comment on the field.
    pub meaning: String,
}

/// The settings of `command`, in the order of their declaration; `described` comes from [`Problems::described`].
///
/// A secret is no argument; it comes after the setting that its getter is called after.
pub fn rows(command: &Command, described: &[Described]) -> Vec<Row> {
    let row = |setting: &Described, meaning: String| Row {
        variable: variable(setting.setting),
        flag: flag(setting.setting),
        default: setting.default.clone().unwrap_or_default(),
        valid: setting.valid.clone(),
        meaning,
    };
    let mut rows = Vec::new();
    for arg in command.get_arguments() {
        let Some(place) = described.iter().position(|setting| arg.get_id() == setting.setting) else { continue };
        let meaning = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        rows.push(row(&described[place], meaning));
        let secrets = described[place + 1..].iter().take_while(|setting| is_secret(setting.setting));
        rows.extend(secrets.map(|secret| row(secret, SECRET_MEANING.to_owned())));
    }
    rows
}

/// The rows as a Markdown table.
pub fn markdown(rows: &[Row]) -> String {
    let cell = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let mut table = String::from("| Variable, flag | Default | Valid | Meaning |\n|---|---|---|---|\n");
    for row in rows {
        let default = if row.default.is_empty() { "–".to_owned() } else { format!("`{}`", cell(&row.default)) };
        let flag = row.flag.as_ref().map(|flag| format!(" `{flag}`")).unwrap_or_default();
        let names = format!("`{}`{flag}", row.variable);
        writeln!(table, "| {names} | {default} | {} | {} |", cell(&row.valid), cell(&row.meaning))
            .expect("a String takes any text");
    }
    table
}

/// What is wrong with a declaration, for a test in each binary to find empty: a field without a comment, without a
/// getter or whose flag or getter has another name.
pub fn faults(command: &Command, problems: &Problems) -> Vec<String> {
    let mut faults = Vec::new();
    for arg in command.get_arguments() {
        let field = arg.get_id().as_str();
        if arg.get_help().is_none() {
            faults.push(format!("{field}: no comment says what it does"));
        }
        match flag(field) {
            None => faults.push(format!("{field}: is a secret and must be no argument")),
            Some(flag) if arg.get_long().map(|long| format!("--{long}")) != Some(flag.clone()) => {
                faults.push(format!("{field}: its flag is not {flag}"));
            }
            Some(_) => {}
        }
        if find(problems.described(), arg).is_none() {
            faults.push(format!("{field}: no getter is called for it when nothing is set"));
        }
    }
    for described in problems.described() {
        if !is_secret(described.setting) && command.get_arguments().all(|arg| arg.get_id() != described.setting) {
            faults.push(format!("{}: a getter is called for it, but there is no such field", described.setting));
        }
    }
    faults
}

/// Adds variable and default to the help of each setting.
pub(crate) fn annotate(command: Command, described: &[Described]) -> Command {
    command.mut_args(|arg| {
        let Some(setting) = find(described, &arg) else { return arg };
        let mut note = format!("[env: {}]", variable(setting.setting));
        if let Some(default) = &setting.default {
            write!(note, " [default: {default}]").expect("a String takes any text");
        }
        let short = arg.get_help().map(|help| format!("{help} {note}")).unwrap_or_else(|| note.clone());
        let long = arg.get_long_help().map(ToString::to_string).unwrap_or_else(|| short.replace(&note, ""));
        let long = format!("{}\n\nGive {}.\n{note}", long.trim_end(), setting.valid);
        arg.help(short).long_help(long)
    })
}

fn find<'a>(described: &'a [Described], arg: &Arg) -> Option<&'a Described> {
    described.iter().find(|setting| arg.get_id() == setting.setting)
}

#[cfg(test)]
mod tests {
    use clap::Args as _;

    use super::*;

    #[derive(clap::Args)]
    struct Example {
        /// Records a second
        ///
        /// Or | fewer.
        #[arg(long)]
        rate: Option<String>,
        /// The topic
        #[arg(long)]
        kafka_topic: Option<String>,
    }

    fn command() -> Command {
        Example::augment_args(Command::new("example"))
    }

    fn described() -> Problems {
        let mut problems = Problems::default();
        problems.topic_name("kafka_topic", &None, "transactions");
        problems.optional_integer("rate", &None, 1..=9, "records/s");
        problems
    }

    #[test]
    fn the_table_has_each_field_in_order_of_declaration() {
        let table = markdown(&rows(&command(), described().described()));
        let lines: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(
            lines[0],
            "| `RATE` `--rate` | – | an integer from 1 to 9 records/s | Records a second Or \\| fewer. |"
        );
        assert!(
            lines[1].starts_with("| `KAFKA_TOPIC` `--kafka-topic` | `transactions` | 1 to 241 characters"),
            "{}",
            lines[1]
        );
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn help_shows_variable_default_and_range() {
        let mut command = annotate(command(), described().described());
        let short = command.render_help().to_string();
        assert!(short.contains("The topic [env: KAFKA_TOPIC] [default: transactions]"), "{short}");
        let long = command.render_long_help().to_string();
        for part in ["Or | fewer.", "Give an integer from 1 to 9 records/s.", "[env: RATE]"] {
            assert!(long.contains(part), "{part} is not in\n{long}");
        }
    }

    #[test]
    fn a_sound_declaration_has_no_faults() {
        assert_eq!(faults(&command(), &described()), Vec::<String>::new());
    }

    #[test]
    fn every_way_to_declare_a_setting_wrongly_is_found() {
        #[derive(clap::Args)]
        struct Wrong {
            #[arg(long)]
            rate: Option<String>,
            /// The topic
            #[arg(long = "topic")]
            kafka_topic: Option<String>,
            /// Nobody asks for it
            #[arg(long)]
            idle: Option<String>,
        }
        let mut problems = described();
        problems.ratio("share", &None, 0.0);
        let found = faults(&Wrong::augment_args(Command::new("wrong")), &problems);
        let expected = [
            "rate: no comment says what it does",
            "kafka_topic: its flag is not --kafka-topic",
            "idle: no getter is called for it when nothing is set",
            "share: a getter is called for it, but there is no such field",
        ];
        assert_eq!(found, expected);
    }
}
