//! Where a gateway's files are, and how the commands that speak to one find it.

use std::path::PathBuf;

use venuekit_driver::gateway::{Answer, DeskError, GatewayClient, Talk, TalkError};

use super::reader;
use super::target::Where;
use crate::exit::{Exit, Failure, OrExit};

/// Which gateway.
#[derive(Debug, clap::Args)]
pub(crate) struct Home {
    /// The directory of the gateway's files; one below the state directory of the user when absent.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

impl Home {
    /// The directory for an environment.
    pub(crate) fn dir(&self, environment: &str) -> Result<PathBuf, Failure> {
        if let Some(dir) = &self.dir {
            return Ok(dir.clone());
        }
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let state = var("XDG_STATE_HOME").or_else(|| Some(var("HOME")?.join(".local/state")));
        let state = state.ok_or_else(|| {
            Failure::say(
                Exit::Config,
                "there is no home directory to keep the gateway's files in; name one with --dir",
            )
        })?;
        Ok(state.join("venuekit").join(environment))
    }
}

/// The environment of a command that only speaks to a gateway.
pub(crate) fn environment(env: Option<&str>) -> Result<String, Failure> {
    match env {
        Some(env) => Ok(env.to_owned()),
        None => Ok(reader::environment(&Where::default())?.to_owned()),
    }
}

/// Speaks to the gateway of an environment.
pub(crate) struct Line {
    client: GatewayClient,
    pub(crate) environment: String,
}

impl Line {
    pub(crate) async fn open(home: &Home, env: Option<&str>) -> Result<Line, Failure> {
        let environment = environment(env)?;
        let client = GatewayClient::connect(&home.dir(&environment)?).await.map_err(broken)?;
        Ok(Line { client, environment })
    }

    /// Asks; what the gateway refuses is a failure with its code.
    pub(crate) async fn ask(&mut self, talk: &Talk) -> Result<Answer, Failure> {
        said(self.client.ask(talk).await)
    }
}

fn said(answer: Result<Answer, TalkError>) -> Result<Answer, Failure> {
    match answer.map_err(broken)? {
        Answer::Error(DeskError { exit, text }) => Err(Failure::say(exit_of(exit), text)),
        answer => Ok(answer),
    }
}

pub(crate) fn broken(error: TalkError) -> Failure {
    Failure::new(Exit::Unreachable, error)
}

/// An answer that belongs to another question.
pub(crate) fn unexpected(answer: &Answer) -> Failure {
    Failure::say(Exit::Unexpected, format_args!("the gateway answered something else: {answer:?}"))
}

/// The exit code that a gateway names.
pub(crate) fn exit_of(code: u8) -> Exit {
    [
        Exit::Usage,
        Exit::Credentials,
        Exit::Config,
        Exit::Unreachable,
        Exit::Limited,
        Exit::Rejected,
        Exit::Halted,
        Exit::Unhealthy,
    ]
    .into_iter()
    .find(|exit| *exit as u8 == code)
    .unwrap_or(Exit::Unexpected)
}

/// Who speaks, for the audit.
pub(crate) fn speaker() -> String {
    let user = std::env::var("USER").ok().filter(|user| !user.is_empty() && user.len() <= 64);
    format!("{} (process {})", user.as_deref().unwrap_or("a user"), std::process::id())
}

/// Reads the directory's errors as configuration.
pub(crate) fn config<T>(result: Result<T, venuekit_driver::gateway::GatewayError>) -> Result<T, Failure> {
    result.or_exit(Exit::Config)
}
