//! `consumer top`: the dashboard's figures in a terminal, of a running consumer, over its HTTP API.
//!
//! ```text
//!   /api/v1/events ─▶ client ─▶ sse ─▶ feed ──▶ model ──▶ draw ──▶ screen
//!   keys ─────────────────────────────────────────┘
//! ```
//!
//! Promises: what is not of now is never shown as if it were; nothing that a server sends steers the terminal
//! ([`text::Clean`]); whatever ends the process, the terminal is as it was. [`model`] and [`draw`] are pure. It speaks
//! to no Kafka and needs none of its settings.

pub mod address;
pub mod client;
pub mod draw;
pub mod equations;
pub mod feed;
pub mod figures;
pub mod history;
pub mod keys;
pub mod model;
mod screen;
pub mod sse;
pub mod text;

use std::{io, net::SocketAddr, time::Duration};

use common::service::{Access, ExitCode, Failure, Shutdown};
use ratatui::crossterm::event::Event as TerminalEvent;
use tokio::{
    sync::mpsc::{Receiver, channel},
    task::{JoinSet, spawn_blocking},
    time::{Instant, MissedTickBehavior, interval},
};

use address::Address;
use client::{Api, Events, Trouble};
use draw::Theme;
use feed::Heard;
use keys::Action;
use model::Model;
use screen::Screen;

/// Time between two looks at the clock while nothing else happens: figures grow old.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// What was heard and not taken in yet. Whoever fills it waits.
const HEARD_MAX: usize = 4;
/// Keys that were pressed and not taken in yet.
const KEYS_MAX: usize = 64;

/// What can be asked.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The consumer to look at; left out, the one at HTTP_LISTEN
    #[arg(long, value_name = "http://HOST:PORT")]
    url: Option<Address>,
}

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// There is nothing to draw on.
    #[error(
        "top draws on a terminal and takes keys from it, and here is none; `consumer summary` prints the figures once"
    )]
    NoTerminal,
    /// Nobody knows where to ask.
    #[error("HTTP_LISTEN has port 0, any free one: say by --url where the consumer is")]
    NoPort,
    /// The first question was not answered as it should be.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The terminal is at fault.
    #[error("the terminal can't be drawn on: {0}")]
    Terminal(#[from] io::Error),
}

impl Failure for TopError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NoTerminal | Self::NoPort => ExitCode::Configuration,
            Self::Trouble(_) | Self::Terminal(_) => ExitCode::NotRight,
        }
    }
}

/// Shows the figures until a key or `shutdown` ends it.
///
/// # Errors
/// [`TopError`], before anything is drawn; once something was, a consumer that is gone is waited for.
pub async fn run(
    arguments: &Arguments,
    listen: SocketAddr,
    access: &Access,
    shutdown: &Shutdown,
) -> Result<ExitCode, TopError> {
    if !screen::is_there() {
        return Err(TopError::NoTerminal);
    }
    let address = match &arguments.url {
        Some(address) => address.clone(),
        None if listen.port() == 0 => return Err(TopError::NoPort),
        None => Address::of_listener(listen),
    };
    let api = Api::new(address, access.authorization());
    let first = async {
        let mut events = api.events().await?;
        let first = events.next().await?;
        Ok::<_, Trouble>((events, first))
    };
    let (events, first) = tokio::select! {
        biased;
        () = shutdown.requested() => return Ok(ExitCode::Done),
        first = first => first?,
    };
    let mut model = Model::new(api.address().clone());
    model.hear(Heard::Event(first), 0);
    show(model, api, events, shutdown).await?;
    Ok(ExitCode::Done)
}

async fn show(model: Model, api: Api, events: Events, shutdown: &Shutdown) -> io::Result<()> {
    let (say, heard) = channel(HEARD_MAX);
    let (press, pressed) = channel(KEYS_MAX);
    // Ends with this function, whatever it waits for.
    let mut listening = JoinSet::new();
    listening.spawn(feed::listen(api, events, say));
    let screen = Screen::take()?;
    let watching = spawn_blocking(move || screen::watch(&press));
    let shown = draw_until_quit(screen, model, heard, pressed, shutdown).await;
    // The sender of keys that nobody takes any more ends by itself, within the wait for one.
    let watched = watching.await.expect("a task that panics stops the process");
    shown.and(watched)
}

async fn draw_until_quit(
    mut screen: Screen,
    mut model: Model,
    mut heard: Receiver<Heard>,
    mut pressed: Receiver<TerminalEvent>,
    shutdown: &Shutdown,
) -> io::Result<()> {
    let theme = Theme::new(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
    let began = Instant::now();
    let now_ms = || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut limits = model::ScrollLimits::default();
        screen.draw(|area, buffer| limits = draw::draw(area, &model, now_ms(), theme, buffer))?;
        model.drawn(limits);
        tokio::select! {
            biased;
            () = shutdown.requested() => return Ok(()),
            event = pressed.recv() => match event {
                // A terminal that says nothing any more is gone.
                None => return Ok(()),
                Some(event) => match keys::action(&event, model.is_helping()) {
                    Some(Action::Quit) => return Ok(()),
                    Some(action) => model.act(action),
                    None => {}
                },
            },
            Some(heard) = heard.recv() => model.hear(heard, now_ms()),
            _ = looks.tick() => {}
        }
    }
}
