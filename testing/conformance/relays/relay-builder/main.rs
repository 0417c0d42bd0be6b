// A relay in memory (nostr-relay-builder) and a client (nostr-sdk).
//
//   program serve                   prints its address and serves until its standard input ends
//   program use RELAY REPOSITORY    publishes an issue to the relay, reads all back and prints what worked

use std::env;
use std::io::{self, Read};
use std::time::Duration;

use nostr_relay_builder::builder::RateLimit;
use nostr_relay_builder::{LocalRelay, RelayBuilder};
use nostr_sdk::prelude::*;

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("use") => use_relay(&args[2], &args[3]).await,
        _ => serve().await,
    }
}

async fn serve() -> Result<()> {
    let busy = RateLimit {
        max_reqs: 1_000,
        notes_per_minute: 1_000_000,
    };
    let relay = LocalRelay::new(RelayBuilder::default().database(unlimited()).rate_limit(busy));
    relay.run().await?;
    println!("{}", relay.url().await);
    tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

async fn use_relay(address: &str, repository: &str) -> Result<()> {
    let client = Client::new(Keys::generate());
    client.add_relay(address).await?;
    client.connect().await;
    let wait = Duration::from_secs(20);
    let about = Filter::new()
        .kind(Kind::GitIssue)
        .custom_tag(SingleLetterTag::lowercase(Alphabet::A), repository);
    let mut notifications = client.notifications();
    client.subscribe(about.clone(), None).await?;

    let issue = EventBuilder::new(Kind::GitIssue, "The door does not close.")
        .tag(Tag::parse(["a", repository])?)
        .tag(Tag::parse(["subject", "From another implementation"])?);
    let sent = client.send_event_builder(issue).await?;
    let id = *sent.id();
    let live = tokio::time::timeout(wait, async {
        while let Ok(notification) = notifications.recv().await {
            if let RelayPoolNotification::Message {
                message: RelayMessage::Event { event, .. },
                ..
            } = notification
            {
                if event.id == id {
                    return true;
                }
            }
        }
        false
    })
    .await
    .unwrap_or(false);
    let stored = client.fetch_events(Filter::new().id(id), wait).await?;

    let reader = Client::builder().database(unlimited()).build();
    reader.add_relay(address).await?;
    reader.connect().await;
    let reconciled = reader.sync(about, &SyncOptions::default()).await?;
    println!(
        "{{\"publish\":{},\"live\":{},\"query\":{},\"reconciled\":{}}}",
        sent.failed.is_empty(),
        live,
        stored.len() == 1,
        reconciled.received.len(),
    );
    Ok(())
}

fn unlimited() -> MemoryDatabase {
    MemoryDatabase::with_opts(MemoryDatabaseOptions {
        events: true,
        max_events: None,
    })
}
