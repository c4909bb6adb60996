//! Ends what the tests started, even when the tests themselves are killed.
//!
//! A small shell holds the reading end of a pipe whose other end only this process has. Each child's process group, container
//! and folder is told to it; when the pipe closes, for whatever reason, it ends and removes what is left. That needs no
//! `unsafe` hook in the children and works after `kill -9` of the tests.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT
groups=' ' ; containers='' ; folders=''
while read -r verb what; do
  case $verb in
    started) groups="$groups$what " ;;
    ended) groups=$(printf '%s' "$groups" | sed "s/ $what / /") ;;
    container) containers="$containers $what" ;;
    folder) folders="$folders
$what" ;;
  esac
done
for group in $groups; do kill -KILL -- "-$group" 2>/dev/null; done
for name in $containers; do docker rm -f "$name" >/dev/null 2>&1; done
printf '%s\n' "$folders" | while read -r folder; do [ -z "$folder" ] || rm -rf -- "$folder"; done
"#;

static GUARDIAN: LazyLock<Mutex<Option<Child>>> = LazyLock::new(|| {
    let shell =
        Command::new("sh").args(["-c", SCRIPT]).process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    Mutex::new(shell.ok())
});

fn tell(verb: &str, what: &str) {
    let mut guardian = GUARDIAN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pipe) = guardian.as_mut().and_then(|child| child.stdin.as_mut()) {
        // Without a shell there is no guardian: the ordinary clean-up still works.
        drop(writeln!(pipe, "{verb} {what}"));
    }
}

/// A process group has been started.
pub fn started(group: u32) {
    tell("started", &group.to_string());
}

/// A process group has ended and must not be looked for any more: its number may be given away again.
pub fn ended(group: u32) {
    tell("ended", &group.to_string());
}

/// A Docker container is to be removed at the end.
pub fn container(name: &str) {
    tell("container", name);
}

/// A folder is to be removed at the end.
pub fn folder(path: &Path) {
    tell("folder", &path.display().to_string());
}
