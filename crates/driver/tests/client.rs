//! The client API against the simulator's own fronts of both venues, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use venuekit_book::Assurance;
use venuekit_doex::Doex;
use venuekit_driver::{
    BookError, Client, ClientTls, Clock, Host, Instruments as _, MarketData, MarketEvent, Options, Runner,
    ServeOptions, Server, ServerTls, serve,
};
use venuekit_duedex::DueDex;
use venuekit_session::{Config, Emission, Event, HostOverride, Persist, PersistId, Session, StreamId, Want};
use venuekit_sim::{Command, Fault, Sim, SimConfig, Target, VenueSim};
use venuekit_types::{BookSide, Now, Symbol};
use venuekit_venue::{Channel, Venue};

/// Longest wait for anything; only a broken test comes near it.
const PATIENCE: Duration = Duration::from_secs(60);

async fn simulated(name: &str, options: ServeOptions) -> Server<VenueSim> {
    // Books of the last minutes are kept, for a copy is compared with the truth a little after it was taken.
    let config = SimConfig { history: 10_000, ..SimConfig::new(7, options.clock.now()) };
    let sim = Sim::new(config);
    let venue =
        sim.into_venues().into_iter().find(|venue| venue.name() == name).expect("a venue of that name");
    serve(venue, options).await.expect("a free port of loopback")
}

async fn connect(
    venue: Arc<dyn Venue>,
    server: &Server<VenueSim>,
    wants: Vec<Want>,
    tls: ClientTls,
) -> Client {
    let hosts =
        vec![HostOverride { product: None, rest: server.rest_origin(), stream: server.stream_origin() }];
    let config = Config { wants, hosts, ..Config::default() };
    Client::connect(venue, config, Options { tls, ..Options::default() }).await.expect("it begins")
}

fn symbol(text: &str) -> Symbol {
    text.parse().expect("a symbol")
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// Follows a venue until its book is live, and compares the copy with the truth at the same number.
async fn agrees_with_the_truth(venue: Arc<dyn Venue>, name: &str, text: &str, tls: Option<ServerTls>) {
    let clock = Clock::start();
    let trust =
        tls.as_ref().map_or_else(ClientTls::new, |tls| ClientTls::with_ca(tls.ca_pem()).expect("its CA"));
    let server = simulated(name, ServeOptions { clock, tls, ..ServeOptions::default() }).await;
    let wants = vec![Want::new(text, Channel::Book), Want::new(text, Channel::Trades)];
    let client = connect(venue, &server, wants, trust).await;
    let market = symbol(text);
    let book =
        within("the first book", client.live_book(&market, usize::MAX)).await.expect("a listed market");
    let seq = book.seq.expect("both venues count");
    let truth = server
        .with({
            let text = text.to_owned();
            move |sim, _| sim.book_at(&text, 0, seq)
        })
        .await
        .expect("still served")
        .expect("a number within memory");
    for (side, copied, true_side) in
        [(BookSide::Bid, &book.bids, &truth.bids), (BookSide::Ask, &book.asks, &truth.asks)]
    {
        assert_eq!(copied, true_side, "{name} {text} {side:?} at {seq}");
    }
    assert_eq!(book.assurance, Assurance::Sequenced);
    let top = client.book(&market, 3).await.expect("still live");
    assert_eq!((top.bids.len(), top.asks.len()), (3, 3));

    let (mut books, mut trades) = (0, 0);
    within("both kinds of event", async {
        while books == 0 || trades == 0 {
            match client.next().await.expect("it runs") {
                MarketEvent::Book(_) => books += 1,
                MarketEvent::Trade(print) => {
                    assert!(!print.id.is_empty());
                    trades += 1;
                }
                MarketEvent::Other(_) | MarketEvent::Lagged { .. } => {}
            }
        }
    })
    .await;
    let streams = client.streams().await.expect("it runs");
    assert_eq!(streams.len(), 2);
    let listed = client.instruments().await.expect("it runs");
    assert!(listed.iter().any(|instrument| instrument.symbol == market));
    within("closing", client.close()).await;
    server.stop().await.expect("no panic");
}

#[tokio::test]
async fn a_copied_book_is_the_true_one_of_doex() {
    agrees_with_the_truth(Arc::new(Doex::default()), "doex", "BTC/USDT", None).await;
}

#[tokio::test]
async fn a_copied_book_is_the_true_one_of_duedex_over_tls() {
    let tls = ServerTls::fresh().expect("keys");
    agrees_with_the_truth(Arc::new(DueDex::new()), "duedex", "BTC/USDT:USDT", Some(tls)).await;
}

#[tokio::test]
async fn a_book_out_of_sequence_is_not_handed_out_and_comes_back() {
    let server = simulated("duedex", ServeOptions::default()).await;
    let wants = vec![Want::new("BTC/USDT:USDT", Channel::Book)];
    let client = connect(Arc::new(DueDex::new()), &server, wants, ClientTls::new()).await;
    let market = symbol("BTC/USDT:USDT");
    let before = within("the first book", client.live_book(&market, 1)).await.expect("a listed market");
    let cut = Command { target: Target::All, fault: Fault::Close };
    server.with(move |sim, now| sim.inject(now, cut)).await.expect("still served");
    within("the loss", async {
        loop {
            if let MarketEvent::Other(Event::GapOpened(_)) = client.next().await.expect("it runs") {
                break;
            }
        }
    })
    .await;
    match client.book(&market, 1).await {
        // Unless it healed already, which took a new generation.
        Ok(book) => assert!(book.epoch > before.epoch),
        Err(error) => {
            assert!(matches!(error, BookError::NotLive { .. }), "{error:?}");
            assert!(error.to_string().contains("live_book"), "{error}");
        }
    }
    let after = within("the healed book", client.live_book(&market, 1)).await.expect("a listed market");
    assert!(after.epoch > before.epoch);
    client.close().await;
}

#[tokio::test]
async fn what_is_not_followed_is_said_to_be_and_a_closed_client_says_so() {
    let server = simulated("duedex", ServeOptions::default()).await;
    let wants = vec![Want::new("BTC/USDT:USDT", Channel::Book), Want::new("NOPE/USDT:USDT", Channel::Book)];
    let client = connect(Arc::new(DueDex::new()), &server, wants, ClientTls::new()).await;
    let unknown = within("the refusal", client.live_book(&symbol("NOPE/USDT:USDT"), 1)).await;
    let unknown = unknown.expect_err("no venue lists it").to_string();
    assert_eq!(unknown, "no book of NOPE/USDT:USDT is followed; there are BTC/USDT:USDT");
    let other = client.book(&symbol("ETH/USDT:USDT"), 1).await.expect_err("nobody asked for it");
    assert!(matches!(other, BookError::NotFollowed { .. }));

    // Whoever waits when everything stops is told.
    let client = Arc::new(client);
    let waiting = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.live_book(&symbol("ETH/USDT:USDT"), 1).await }
    });
    client.handle().stop().await.expect("it runs");
    let told = within("the end", waiting).await.expect("no panic");
    assert!(matches!(told, Err(BookError::Stopped(_))), "{told:?}");
    within("the last event", async { while client.next().await.is_some() {} }).await;
    assert!(client.streams().await.is_err());
}

#[tokio::test]
async fn the_api_is_object_safe() {
    let server = simulated("doex", ServeOptions::default()).await;
    let wants = vec![Want::new("BTC/USDT", Channel::Trades)];
    let client = connect(Arc::new(Doex::default()), &server, wants, ClientTls::new()).await;
    let data: Arc<dyn MarketData> = Arc::new(client);
    let trade = async {
        loop {
            if let Some(MarketEvent::Trade(print)) = data.next().await {
                break print;
            }
        }
    };
    assert!(within("a trade", trade).await.qty.0 > 0);
}

#[tokio::test]
async fn a_durable_step_may_be_answered_later_and_from_a_thread() {
    struct Later(std::sync::mpsc::Sender<(PersistId, Persist)>);
    impl Host for Later {
        fn event(&mut self, _: Now, _: Emission<'_>) {}

        fn persist(&mut self, id: PersistId, what: Persist) -> Option<u64> {
            self.0.send((id, what)).expect("the thread lives as long as the host");
            None
        }
    }

    let server = simulated("duedex", ServeOptions::default()).await;
    let hosts =
        vec![HostOverride { product: None, rest: server.rest_origin(), stream: server.stream_origin() }];
    let wants = vec![Want::new("BTC/USDT:USDT", Channel::Book)];
    let session = Session::new(Arc::new(DueDex::new()), Config { wants, hosts, ..Config::default() });
    let (sender, asked) = std::sync::mpsc::channel();
    let (runner, handle) =
        Runner::new(session.expect("it fits"), Later(sender), Options::default()).expect("it runs");
    let answering = handle.clone();
    let thread = std::thread::spawn(move || {
        let mut next = 1_000;
        while let Ok((id, Persist::Epochs { count, .. })) = asked.recv() {
            if answering.persisted_blocking(id, next).is_err() {
                break;
            }
            next += u64::from(count);
        }
    });
    let done = tokio::spawn(runner.run());
    let epoch = within("a live book", async {
        loop {
            let look = |session: &Session, now| session.book(StreamId(0), now).ok().map(|view| view.epoch());
            if let Some(epoch) = handle.query(look).await.expect("it runs") {
                break epoch;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(epoch >= 1_000, "{epoch} is none of the epochs that were given");
    handle.stop().await.expect("it runs");
    drop(within("the end", done).await.expect("no panic"));
    thread.join().expect("no panic");
}
