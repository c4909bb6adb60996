//! The terminal while it is ours, and as it was afterwards: whatever ends the process.

use std::{
    io::{self, IsTerminal as _, Stdout, Write as _},
    panic,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::Duration,
};

use common::service::logging;
use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    buffer::Buffer,
    crossterm::{
        cursor::Show,
        event::{self, Event},
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
    layout::Rect,
};
use tokio::sync::mpsc::Sender;

/// Longest wait for a key before it is asked whether anybody still waits for one.
const KEY_WAIT: Duration = Duration::from_millis(100);

/// Whether the terminal is ours. A panic in any thread may have to give it back, so there is one for the process.
static OURS: AtomicBool = AtomicBool::new(false);
/// A log line has been written meanwhile, and nothing is where it was.
static DISTURBED: AtomicBool = AtomicBool::new(false);

/// Whether there is a terminal to draw on and to take keys from.
pub(super) fn is_there() -> bool {
    io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// The terminal, until dropped.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal: its other screen, each key as it is pressed, no cursor. Log lines make it step aside.
    ///
    /// # Errors
    /// If it is no terminal that does that; it is as it was then.
    pub(super) fn take() -> io::Result<Self> {
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        let screen = Self { terminal };
        OURS.store(true, SeqCst);
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            hook(info);
        }));
        if io::stderr().is_terminal() {
            logging::write_through(Some(Box::new(step_aside)));
        }
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen)?;
        Ok(screen)
    }

    /// Draws what `draw` fills the cells with.
    ///
    /// # Errors
    /// If the terminal takes nothing.
    pub(super) fn draw(&mut self, draw: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        // Whoever gives the terminal back in another thread waits until this is whole.
        let _whole = io::stdout().lock();
        if DISTURBED.swap(false, SeqCst) {
            self.terminal.clear()?;
        }
        self.terminal.draw(|frame| draw(frame.area(), frame.buffer_mut()))?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        logging::write_through(None);
        give_back();
    }
}

/// Makes the terminal what it was, if it is ours. What can't be written can't be helped.
fn give_back() {
    if OURS.swap(false, SeqCst) {
        let mut stdout = io::stdout().lock();
        let _ = execute!(stdout, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
        let _ = stdout.flush();
    }
}

/// Has a log line written where log lines belong, and comes back.
fn step_aside(write: &mut dyn FnMut()) {
    if !OURS.load(SeqCst) {
        return write();
    }
    let mut stdout = io::stdout().lock();
    let _ = execute!(stdout, LeaveAlternateScreen);
    let _ = disable_raw_mode();
    write();
    let _ = enable_raw_mode();
    let _ = execute!(stdout, EnterAlternateScreen);
    DISTURBED.store(true, SeqCst);
}

/// Hands on what the terminal says until nobody takes it: blocking, so for a thread of its own.
pub(super) fn watch(events: &Sender<Event>) -> io::Result<()> {
    while !events.is_closed() {
        if event::poll(KEY_WAIT)? && events.blocking_send(event::read()?).is_err() {
            break;
        }
    }
    Ok(())
}
