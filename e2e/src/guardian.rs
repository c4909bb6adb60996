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
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
for name in $containers; do docker rm -f "$name" >/dev/null 2>&1; done
printf '%s\n' "$folders" | while read -r folder; do [ -z "$folder" ] || rm -rf -- "$folder"; done
"#;

static GUARDIAN: LazyLock<Mutex<Option<Child>>> = LazyLock::new(|| Mutex::new(shell().ok()));

fn shell() -> std::io::Result<Child> {
    Command::new("sh").args(["-c", SCRIPT]).process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()
}

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wait;

    #[test]
    fn when_the_pipe_closes_what_was_started_ends_and_its_folder_goes() {
        let sleeper = || Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let (mut left_over, mut ended_before) = (sleeper(), sleeper());
        let folder = tempfile::tempdir().unwrap();
        let mut guardian = shell().unwrap();
        let mut pipe = guardian.stdin.take().unwrap();
        writeln!(pipe, "started {}\nstarted {}", ended_before.id(), left_over.id()).unwrap();
        writeln!(pipe, "ended {}\nfolder {}", ended_before.id(), folder.path().display()).unwrap();
        drop(pipe);
        guardian.wait().unwrap();
        let gone = |child: &mut Child| child.try_wait().unwrap().is_some();
        wait::until_true("the end of what was left", Duration::from_secs(10), || gone(&mut left_over)).unwrap();
        assert!(!gone(&mut ended_before), "a number that may have been given away again must not be killed");
        assert!(!folder.path().exists());
        ended_before.kill().unwrap();
        ended_before.wait().unwrap();
    }
}
