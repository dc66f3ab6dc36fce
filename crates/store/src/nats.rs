//! A NATS server with JetStream as a bus: rows are published on one stream, which is made where there is none.
//!
//! Owns the connection, the stream and the meaning of errors. What is published is acknowledged by the stream before
//! it counts; equal ids within the stream's window are dropped by the server, and consumers drop those beyond it. It
//! refuses a network without verified TLS, secrets in addresses, and a stream that keeps nothing on disk.
//!
//! A call blocks its thread until the server has answered, so it belongs on a thread of its own and not into an
//! asynchronous task.

mod settings;

use std::error::Error as _;
use std::time::Duration;

use async_nats::jetstream::context::{
    CreateStreamError, CreateStreamErrorKind, PublishError, PublishErrorKind,
};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{ConnectError, ConnectErrorKind, ConnectOptions};
use tokio::runtime::Runtime;
use tokio::time::timeout;

pub use settings::{NatsError, NatsSettings};

use self::settings::{Checked, Login};
use crate::{Bus, BusError, Message, Published, SUBJECT_PREFIX};

/// The longest that one attempt to connect may take.
const CONNECT_FOR: Duration = Duration::from_secs(3);
/// The longest that the server may take to acknowledge what is under way.
const ANSWER_FOR: Duration = Duration::from_secs(5);
/// Messages that wait for their acknowledgements at a time.
const WINDOW: usize = 512;
/// For how long the stream remembers ids: longer than a worker takes to start again.
const DEDUP_FOR: Duration = Duration::from_secs(120);

/// A stream of a NATS server.
pub struct Nats {
    checked: Checked,
    /// Begins with the first call, on the thread that calls.
    runtime: Option<Runtime>,
    open: Option<Context>,
}

impl std::fmt::Debug for Nats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nats").field("stream", &self.checked.stream).finish_non_exhaustive()
    }
}

impl Nats {
    /// Makes a bus of a server that is connected to when there is something to publish.
    ///
    /// **Errors**: [`NatsError`]: what can be told without a network.
    pub fn new(settings: &NatsSettings) -> Result<Nats, NatsError> {
        Ok(Nats { checked: Checked::new(settings)?, runtime: None, open: None })
    }
}

impl Bus for Nats {
    fn publish(&mut self, messages: &[Message]) -> Result<Published, BusError> {
        let Nats { checked, runtime, open } = self;
        let runtime = match runtime {
            Some(runtime) => runtime,
            None => runtime.insert(background()?),
        };
        runtime.block_on(async {
            // One that failed is not kept: what it still holds would be published beside what is tried again.
            let context = match open.take() {
                Some(context) => context,
                None => in_time(connect(checked)).await?,
            };
            let mut published = Published::default();
            for window in messages.chunks(WINDOW) {
                in_time(send(&context, &checked.stream, window, &mut published)).await?;
            }
            *open = Some(context);
            Ok(published)
        })
    }
}

/// A thread that keeps the connection alive between calls.
fn background() -> Result<Runtime, BusError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).thread_name("nats-io").enable_all().build();
    runtime.map_err(|error| BusError::Other(Box::new(error)))
}

/// Does something that the server has to answer.
async fn in_time<T>(act: impl Future<Output = Result<T, BusError>>) -> Result<T, BusError> {
    let late = |_| BusError::Unreachable(format!("no answer within {} s", ANSWER_FOR.as_secs()).into());
    timeout(ANSWER_FOR, act).await.map_err(late)?
}

/// Connects, and finds or makes the stream.
async fn connect(checked: &Checked) -> Result<Context, BusError> {
    let mut options = ConnectOptions::new()
        .name("venuekit")
        // What a server says of others is not what the config says.
        .ignore_discovered_servers()
        .require_tls(checked.needs_tls)
        .tls_client_config(checked.tls.clone())
        .connection_timeout(CONNECT_FOR)
        .max_reconnects(checked.servers.len())
        .client_capacity(WINDOW)
        .subscription_capacity(WINDOW);
    options = match checked.login().map_err(|error| BusError::Refused(Box::new(error)))? {
        None => options,
        Some(Login::Creds(text)) => {
            options.credentials(&text).map_err(|error| BusError::Refused(Box::new(error)))?
        }
        Some(Login::Seed(seed)) => options.nkey(seed),
        Some(Login::Password(user, password)) => options.user_and_password(user, password),
        Some(Login::Token(token)) => options.token(token),
    };
    let client = options.connect(&checked.servers[..]).await.map_err(refused_or_away)?;
    let context = jetstream::context::ContextBuilder::new()
        .timeout(ANSWER_FOR)
        .max_ack_inflight(WINDOW)
        .ack_timeout(ANSWER_FOR)
        .build(client);
    let subjects = format!("{SUBJECT_PREFIX}.>");
    let wanted = Config {
        name: checked.stream.clone(),
        subjects: vec![subjects.clone()],
        storage: StorageType::File,
        discard: DiscardPolicy::Old,
        duplicate_window: DEDUP_FOR.min(checked.max_age),
        max_age: checked.max_age,
        max_bytes: checked.bytes_max,
        ..Config::default()
    };
    let stream = context.get_or_create_stream(wanted).await.map_err(of_stream)?;
    let found = &stream.cached_info().config;
    let unfit = |what: &str| Err(BusError::Unfit { stream: checked.stream.clone(), what: what.to_owned() });
    if !found.subjects.contains(&subjects) {
        return unfit(&format!("does not take {subjects}"));
    }
    if found.storage != StorageType::File {
        return unfit("keeps nothing on disk");
    }
    Ok(context)
}

/// Publishes what fits one window, and waits until the stream has acknowledged all of it.
async fn send(
    context: &Context,
    stream: &str,
    window: &[Message],
    published: &mut Published,
) -> Result<(), BusError> {
    let mut acks = Vec::with_capacity(window.len());
    for message in window {
        let wire = PublishMessage::build()
            .payload(message.payload.clone().into())
            .message_id(&message.id)
            .expected_stream(stream);
        match context.send_publish(message.subject.clone(), wire).await {
            Ok(ack) => acks.push((message, ack)),
            Err(error) if is_oversize(&error) => published.oversize.push(message.id.clone()),
            Err(error) => return Err(of_publish(error)),
        }
    }
    for (message, ack) in acks {
        match ack.await {
            Ok(ack) if ack.duplicate => published.dup += 1,
            Ok(_) => published.new += 1,
            Err(error) if is_oversize(&error) => published.oversize.push(message.id.clone()),
            Err(error) => return Err(of_publish(error)),
        }
    }
    Ok(())
}

/// What the stream itself had to say.
fn said(error: &PublishError) -> Option<&jetstream::Error> {
    error.source()?.downcast_ref()
}

/// Whether the server or the stream takes no message so large, which trying again does not change.
fn is_oversize(error: &PublishError) -> bool {
    error.kind() == PublishErrorKind::MaxPayloadExceeded
        || said(error).is_some_and(|said| said.error_code() == ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM)
}

fn of_publish(error: PublishError) -> BusError {
    // Where the stream said nothing, the way to it broke.
    match said(&error) {
        Some(_) => BusError::Other(Box::new(error)),
        None => BusError::Unreachable(Box::new(error)),
    }
}

fn refused_or_away(error: ConnectError) -> BusError {
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            BusError::Refused(Box::new(error))
        }
        _ => BusError::Unreachable(Box::new(error)),
    }
}

fn of_stream(error: CreateStreamError) -> BusError {
    match error.kind() {
        CreateStreamErrorKind::TimedOut => BusError::Unreachable(Box::new(error)),
        _ => BusError::Other(Box::new(error)),
    }
}
