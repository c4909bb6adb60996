//! Keeps listening, and hands on what was heard. Whatever goes wrong is said and tried again, first soon, then every few
//! seconds.

use std::time::Duration;

use tokio::{sync::mpsc::Sender, time::sleep};

use super::{
    client::{Api, Events},
    figures::Event,
};

/// Wait before the first new attempt; it doubles with each that fails.
const RETRY_FIRST: Duration = Duration::from_millis(500);
/// Longest wait between two attempts.
const RETRY_LAST: Duration = Duration::from_secs(5);

/// What was heard of the consumer.
#[derive(Debug)]
pub enum Heard {
    /// An event.
    Event(Event),
    /// There are no events, and why; they are being waited for again.
    Lost(String),
}

/// Listens to the events for ever: to `events` first, then over new connections.
pub async fn listen(api: Api, events: Events, heard: Sender<Heard>) {
    let mut wait = RETRY_FIRST;
    let mut open = Ok(events);
    loop {
        let trouble = match &mut open {
            Ok(events) => match events.next().await {
                Ok(event) => {
                    wait = RETRY_FIRST;
                    if heard.send(Heard::Event(event)).await.is_err() {
                        return;
                    }
                    continue;
                }
                Err(trouble) => trouble.to_string(),
            },
            Err(trouble) => std::mem::take(trouble),
        };
        if heard.send(Heard::Lost(trouble)).await.is_err() {
            return;
        }
        sleep(wait).await;
        wait = (wait * 2).min(RETRY_LAST);
        open = api.events().await.map_err(|trouble| trouble.to_string());
    }
}
