//! What DueDEX is, as data: one product on one socket.

use core::time::Duration;

use venuekit_book::{Checksum, Early, Linkage, StaleStep, StepFirst};
use venuekit_venue::spec::{
    Ack, BookSpec, Budget, BudgetKey, ChannelSpec, ClientId, ClockSource, DeadMan, Draws, FrameCodec,
    Heartbeat, Hosts, Login, Nonce, NumberForm, Numbers, OrderAck, OrderSpec, Paging, PagingSpec,
    PrivateModel, PrivateSpec, Proof, Refusal, Resync, RowIds, SignScheme, SnapshotSource, SocketLimits,
    SocketSpec, Spec, SubscribeSpec, Window,
};
use venuekit_venue::{AskKind, Channel, OrderType, TriggerBy, Wallet};

/// Every channel is counted: the update after a snapshot or an update is one more, and nothing else is right.
const STEP: Linkage = Linkage::Step { first: StepFirst::Next, restart: None, stale: StaleStep::Desync };

/// The words of channels on the feed.
pub(crate) const CHANNELS: [(Channel, &str); 7] = [
    (Channel::Book, "level2"),
    (Channel::Ticker, "ticker"),
    (Channel::Trades, "matches"),
    (Channel::Orders, "orders"),
    (Channel::Positions, "positions"),
    (Channel::Balances, "margins"),
    (Channel::Fills, "executions"),
];

/// The name of the website's origin.
pub(crate) const SITE: &str = "site";

/// Orders on one page of their history, at most.
pub(crate) const PAGE: u32 = 100;

/// Names of fields, parameters and headers that hold no secret, in lower case. Those that do are `key`, `answer` and the
/// headers of a signature.
#[rustfmt::skip]
pub(crate) const WORDS: [&str; 34] = [
    "executionid", "matchid", "triggertype", "notionalvalue", "fillprice", "filledsize",
    "accumulatedfees", "createtime", "iscloseorder", "ordertype", "orderside", "orderprice",
    "ordersize", "executionprice", "executionsize", "ismaker", "feerate", "ordersizeleft",
    "entryvalue", "positionmargin", "buyordermargin", "sellordermargin", "unrealisedpnl", "realisedpnl",
    "riskvalue", "risklimit", "ordermargin", "bonusleft", "x-rate-limit-limit",
    "x-rate-limit-remaining", "x-rate-limit-reset", "fromtime", "totime", "userid",
];

pub(crate) fn spec() -> Spec {
    Spec {
        venue: "duedex".to_owned(),
        product: "derivatives".to_owned(),
        markets_of: None,
        hosts: [("live", ""), ("testnet", ".testnet")]
            .map(|(environment, part)| Hosts {
                environment: environment.to_owned(),
                rest: format!("https://api{part}.duedex.com"),
                stream: format!("wss://feed{part}.duedex.com"),
                others: vec![(
                    SITE,
                    format!("https://{}.duedex.com", if part.is_empty() { "www" } else { "testnet" }),
                )],
                streams: Vec::new(),
            })
            .into(),
        sockets: vec![SocketSpec {
            origin: None,
            path: "/v1/feed".to_owned(),
            carries: CHANNELS.map(|(channel, _)| channel).into(),
            login: Login::Challenge { proof: Proof::Frame },
            codec: FrameCodec::Json,
            // The venue documents none; its own clients ping after 30 s.
            heartbeats: vec![Heartbeat::ClientPing {
                every: Duration::from_secs(30),
                within: Duration::from_secs(10),
            }],
            limits: SocketLimits::default(),
        }],
        subscribe: SubscribeSpec {
            batch: 50,
            one_channel: false,
            one_at_a_time: true,
            repeats: true,
            ack: Ack::Listing,
            refusals: vec![Refusal::Close],
            within: Duration::from_secs(10),
        },
        books: vec![BookSpec {
            name: "level2".to_owned(),
            linkage: STEP,
            checksum: Checksum::None,
            early: Early::Buffer,
            snapshot: SnapshotSource::Stream,
            resync: Resync::Resubscribe,
            depths: Vec::new(),
            trim: None,
            rest_depths: Vec::new(),
            usual_gap: Duration::from_secs(1),
        }],
        channels: CHANNELS[1..].iter().map(|&(channel, name)| stepped(channel, name)).collect(),
        clock: ClockSource::FrameTime,
        future_limit: Duration::from_secs(5),
        window: Duration::from_secs(5),
        nonce: Nonce::None,
        sign: SignScheme::PipeJoined,
        budgets: vec![Budget {
            name: "quota".to_owned(),
            key: BudgetKey::AccountElseIp,
            window: Window::Bucket(Duration::from_secs(60)),
            // The quota is not documented; a client was once told 300.
            capacity: 300,
            draws: Draws::Weight,
            used_header: None,
            limit_header: Some("x-rate-limit-limit".to_owned()),
            left_header: Some("x-rate-limit-remaining".to_owned()),
        }],
        orders: Some(OrderSpec {
            ack: OrderAck::Accepted,
            client_id: ClientId::Unique,
            client_id_max: 36,
            types: OrderType::ALL.into(),
            triggers: vec![TriggerBy::Last, TriggerBy::Index, TriggerBy::Mark],
            reduce_only: true,
            dead_man: DeadMan::None,
        }),
        private: PrivateSpec {
            balances: PrivateModel::SnapshotDelta { numbered: true },
            positions: PrivateModel::SnapshotDelta { numbered: true },
            orders: PrivateModel::SnapshotDelta { numbered: true },
            fills: PrivateModel::SnapshotDelta { numbered: true },
        },
        wallets: vec![Wallet::Futures],
        asks: asks(),
        paging: vec![PagingSpec {
            ask: AskKind::OrderHistory,
            paging: Paging::Offset,
            page: PAGE,
            span: None,
        }],
        numbers: Numbers { read: NumberForm::Either, write: NumberForm::Token },
    }
}

/// Balances, positions and open orders can be read; fills and movements are told by no route.
fn asks() -> Vec<AskKind> {
    use AskKind::{
        Amend, Balances, Cancel, CancelAll, Candles, Instruments, MoveMargin, OpenOrders, Order,
        OrderHistory, Place, Positions, SetLeverage, SetRiskLimit, Ticker,
    };
    let mut asks = vec![Instruments, Ticker, Candles, Balances, Positions, OpenOrders, Order, OrderHistory];
    asks.extend([Place, Amend, Cancel, CancelAll, SetLeverage, SetRiskLimit, MoveMargin]);
    asks
}

fn stepped(channel: Channel, name: &str) -> ChannelSpec {
    ChannelSpec {
        channel,
        name: name.to_owned(),
        linkage: STEP,
        snapshot: true,
        resync: Resync::Resubscribe,
        ids: RowIds::Opaque,
        // A ticker's 24 h figures are refreshed every 5 s. The other channels are silent by right: after a while they
        // are subscribed to again, and the snapshot tells whether anything was missed.
        usual_gap: Some(Duration::from_secs(5)),
    }
}
