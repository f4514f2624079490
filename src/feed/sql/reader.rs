//! Asking: one connection, opened when it is needed and kept while it works.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use zeroize::Zeroizing;

use crate::{config::PassphraseSource, feed::live::FeedDesk, signer::Passphrase};

use super::{
    connection::{Connection, Target},
    engine::Kind,
    error::SqlError,
    part::{Part, Plan},
    statement::Statement,
    time::{Moment, moment},
    value::Value,
};

/// What asks one database. Blocks: its runtime is its own, and runs while something is asked.
#[derive(Debug)]
pub(super) struct Reader {
    /// Before the runtime, which it needs to the end.
    session: Option<Session>,
    runtime: Runtime,
    target: Target,
    password: Option<PassphraseSource>,
    parts: Vec<Part>,
}

/// A connection, and how its tables are read.
#[derive(Debug)]
struct Session {
    connection: Connection,
    plans: Vec<Plan>,
    /// Whether it has answered since it was last taken up.
    is_proven: bool,
}

impl Reader {
    pub(super) fn new(
        target: Target,
        password: Option<PassphraseSource>,
        parts: Vec<Part>,
    ) -> Result<Self, SqlError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Self {
            session: None,
            runtime: runtime.map_err(SqlError::Runtime)?,
            target,
            password,
            parts,
        })
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// A poll begins: a connection that was kept may have ended meanwhile.
    pub(super) fn begin(&mut self) {
        if let Some(session) = &mut self.session {
            session.is_proven = false;
        }
    }

    /// How a table is read.
    pub(super) fn plan(&mut self, part: usize, stop: Stop<'_>) -> Result<Plan, SqlError> {
        let session = self.open(stop)?;
        let plan = session.plans.get(part).cloned();
        plan.ok_or_else(|| SqlError::Protocol {
            message: "a table is missing".to_owned(),
        })
    }

    /// The rows that `statement` selects, made for the plan of a table.
    pub(super) fn rows(
        &mut self,
        plan: &Plan,
        statement: &Statement,
        stop: Stop<'_>,
    ) -> Result<Vec<Vec<Value>>, SqlError> {
        self.asked(statement, &plan.kinds, stop)
    }

    /// When the newest row was changed, and whether an SQLite column has it as a number.
    pub(super) fn newest(
        &mut self,
        plan: &Plan,
        part: &Part,
        stop: Stop<'_>,
    ) -> Result<Option<(Option<Moment>, bool)>, SqlError> {
        let Some(statement) = plan.selection.newest() else {
            return Ok(None);
        };
        let rows = self.asked(&statement, &[Kind::Text], stop)?;
        let value = rows.into_iter().flatten().next().unwrap_or_default();
        let kind = plan
            .selection
            .updated
            .as_ref()
            .map(|column| column.kind(part.engine));
        let is_number = kind == Some(Kind::Number) || matches!(value, Value::Number(_));
        let text = value.text().unwrap_or_default();
        // One that is no time is told with its row.
        let newest = moment(&text, part.rules.numbers()).ok().flatten();
        Ok(Some((newest, is_number)))
    }

    /// How many rows a table has.
    pub(super) fn count(&mut self, plan: &Plan, stop: Stop<'_>) -> Result<u64, SqlError> {
        let rows = self.asked(&plan.selection.count(), &[Kind::Text], stop)?;
        let value = rows.into_iter().flatten().next().unwrap_or_default();
        let number = value.text().and_then(|text| text.parse().ok());
        number.ok_or_else(|| SqlError::Protocol {
            message: "a count is no number".to_owned(),
        })
    }

    fn asked(
        &mut self,
        statement: &Statement,
        kinds: &[Kind],
        stop: Stop<'_>,
    ) -> Result<Vec<Vec<Value>>, SqlError> {
        let was_kept = self
            .session
            .as_ref()
            .is_some_and(|session| !session.is_proven);
        match self.asked_once(statement, kinds, stop) {
            Err(error) if was_kept && error.may_be_an_old_connection() => {
                self.asked_once(statement, kinds, stop)
            }
            asked => asked,
        }
    }

    fn asked_once(
        &mut self,
        statement: &Statement,
        kinds: &[Kind],
        stop: Stop<'_>,
    ) -> Result<Vec<Vec<Value>>, SqlError> {
        self.open(stop)?;
        let limit = self.target.statement_timeout;
        let Some(session) = &mut self.session else {
            return Ok(Vec::new());
        };
        let rows = session.connection.rows(statement, kinds, limit);
        let rows = self.runtime.block_on(unless_stopped(rows, stop));
        match &rows {
            Ok(_) => session.is_proven = true,
            // Whatever state it is in: the next one begins anew.
            Err(_) => self.session = None,
        }
        rows
    }

    fn open(&mut self, stop: Stop<'_>) -> Result<&mut Session, SqlError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => {
                let password = self.password()?;
                let (target, parts) = (&self.target, &self.parts);
                let opened = async {
                    let mut connection = Connection::open(target, password).await?;
                    let mut plans = Vec::with_capacity(parts.len());
                    for part in parts {
                        plans.push(planned(&mut connection, part, target).await?);
                    }
                    Ok(Session {
                        connection,
                        plans,
                        is_proven: true,
                    })
                };
                self.runtime.block_on(unless_stopped(opened, stop))?
            }
        };
        Ok(self.session.insert(session))
    }

    /// Read anew for each connection, so that a changed one is taken up.
    fn password(&self) -> Result<Option<Zeroizing<String>>, SqlError> {
        let Some(source) = &self.password else {
            return Ok(None);
        };
        let password = Passphrase::read(source).map_err(|source| SqlError::Password { source })?;
        let text = str::from_utf8(password.octets()).map_err(|_| SqlError::PasswordNotText)?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    }
}

/// Who knows whether the server is stopping.
type Stop<'a> = &'a dyn FeedDesk;

/// What comes of `asked`, unless the server stops meanwhile.
async fn unless_stopped<T>(
    asked: impl Future<Output = Result<T, SqlError>>,
    stop: Stop<'_>,
) -> Result<T, SqlError> {
    let stopped = async {
        while !stop.is_stopping() {
            tokio::time::sleep(LOOK_UP).await;
        }
    };
    tokio::select! {
        biased;
        asked = asked => asked,
        () = stopped => Err(SqlError::Stopped),
    }
}

/// How often somebody who waits for a database looks whether the server is stopping.
const LOOK_UP: Duration = Duration::from_millis(100);

async fn planned(
    connection: &mut Connection,
    part: &Part,
    target: &Target,
) -> Result<Plan, SqlError> {
    let limit = target.statement_timeout;
    let (from, with_changes) = part.from();
    let columns = connection.columns(from, limit).await?;
    if let Some((needed, from)) = with_changes
        && columns
            .iter()
            .any(|column| column.name.eq_ignore_ascii_case(needed))
    {
        let columns = connection.columns(from, limit).await?;
        return part.plan(from, &columns);
    }
    part.plan(from, &columns)
}
