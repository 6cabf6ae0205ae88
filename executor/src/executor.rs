//! Runs queries: from a syntax tree and a catalog version to a stream of record batches.

use std::{fmt, sync::Arc};

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::{
    common::{
        ParamValues, Result,
        tree_node::{Transformed, TreeNode},
    },
    execution::{SendableRecordBatchStream, SessionState, TaskContext},
    logical_expr::{ExplainFormat, ExplainOption, Expr, LogicalPlan, LogicalPlanBuilder},
    physical_plan::{
        ExecutionPlan, execute_stream,
        joins::{CrossJoinExec, NestedLoopJoinExec},
    },
};
use genomdb_layout::catalog::Catalog;
use genomdb_planner::Query;
use genomdb_storage::Storage;
use parking_lot::Mutex;

use crate::{
    AlignmentScanExec, Config, QueryOptions, RowScanExec, SystemTable, Usage,
    index_cache::IndexCache,
    session::{self, Setting},
    snapshot::{Snapshot, SnapshotTables},
};

/// A catalog version, and what was read of its tables.
type Latest = (Arc<Catalog>, Arc<Snapshot>);

/// Plans and runs the queries of a node; cheap to clone.
#[derive(Clone)]
pub struct Executor {
    storage: Storage,
    config: Config,
    cache: Arc<IndexCache>,
    state: Arc<SessionState>,
    system: Arc<Vec<SystemTable>>,
    /// The newest catalog version that a query named, with what was read of its tables.
    latest: Arc<Mutex<Option<Latest>>>,
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A query, planned for one catalog version; it can be run many times with other parameters.
#[derive(Clone, Debug)]
pub struct Prepared {
    plan: LogicalPlan,
    schema: SchemaRef,
    catalog: Arc<Catalog>,
}

/// A query of which is decided how it runs.
#[derive(Clone, Debug)]
pub struct Planned {
    plan: Arc<dyn ExecutionPlan>,
}

impl Planned {
    /// About how many bytes of stored values it reads; `None` if it joins all rows of one side with all of
    /// another, so that the bytes say nothing of its work.
    pub fn bytes(&self) -> Option<u64> {
        bytes(&self.plan)
    }
}

fn bytes(plan: &Arc<dyn ExecutionPlan>) -> Option<u64> {
    if plan.is::<NestedLoopJoinExec>() || plan.is::<CrossJoinExec>() {
        return None;
    }
    let scans = (plan.downcast_ref::<AlignmentScanExec>(), plan.downcast_ref::<RowScanExec>());
    let own = match scans {
        (Some(scan), _) => scan.bytes().ok()?,
        (None, Some(scan)) => scan.gets().1,
        (None, None) => 0,
    };
    plan.children().into_iter().try_fold(own, |sum, child| Some(sum.saturating_add(bytes(child)?)))
}

/// A query that runs: what it yields, and how.
pub struct Running {
    /// The batches; dropping the stream stops the query.
    pub stream: SendableRecordBatchStream,
    /// The plan, whose metrics grow while the stream is read.
    pub plan: Arc<dyn ExecutionPlan>,
}

/// How EXPLAIN answers.
#[derive(Clone, Debug, Default)]
pub struct ExplainRequest {
    /// Runs the query and shows what it did.
    pub analyze: bool,
    /// Shows every step of planning.
    pub verbose: bool,
    /// `indent`, `tree`, `pgjson` or `graphviz`.
    pub format: Option<String>,
}

impl Executor {
    /// Makes an executor over a store.
    ///
    /// # Errors
    ///
    /// If the session cannot be made, which is our mistake.
    pub fn new(storage: Storage, config: Config) -> Result<Self> {
        let cache = Arc::new(IndexCache::new(config.index_cache_bytes_max));
        let state = Arc::new(session::state(&config)?);
        Ok(Self { storage, config, cache, state, system: Arc::default(), latest: Arc::default() })
    }

    /// The same executor with a setting changed: `genomdb.pushdown`, `datafusion.execution.batch_size`, …
    ///
    /// # Errors
    ///
    /// If there is no such setting, or it does not take the value.
    pub fn with_setting(&self, name: &str, value: &str) -> Result<Self> {
        let mut state = self.state.as_ref().clone();
        state.config_mut().options_mut().set(name, value)?;
        Ok(Self { state: Arc::new(state), ..self.clone() })
    }

    /// The same executor with tables of the dataset `system`.
    #[must_use]
    pub fn with_system_tables(&self, tables: Vec<SystemTable>) -> Self {
        Self { system: Arc::new(tables), ..self.clone() }
    }

    /// The tables of the dataset `system`.
    pub fn system_tables(&self) -> &[SystemTable] {
        &self.system
    }

    /// Returns every setting: its name, its value and what it does.
    pub fn settings(&self) -> Vec<Setting> {
        session::settings(self.state.config_options())
    }

    /// What one query may take, by the settings.
    pub fn query_options(&self) -> QueryOptions {
        QueryOptions::of(self.state.config_options())
    }

    /// Plans a query; `text` is what it was parsed from.
    ///
    /// # Errors
    ///
    /// If it cannot be lowered or planned: an unknown name, a wrong type, …
    pub fn plan(&self, catalog: &Arc<Catalog>, query: &Query, text: &str) -> Result<LogicalPlan> {
        let snapshot = self.snapshot(catalog);
        let pushdown = session::pushdown(self.state.config_options());
        let tables = SnapshotTables { snapshot: &snapshot, system: &self.system, pushdown };
        genomdb_planner::plan(query, text, &self.state, &tables)
    }

    /// Plans and optimises a query.
    ///
    /// # Errors
    ///
    /// As [`Executor::plan`].
    pub fn prepare(&self, catalog: &Arc<Catalog>, query: &Query, text: &str) -> Result<Prepared> {
        self.optimize(catalog, self.plan(catalog, query, text)?)
    }

    /// Plans EXPLAIN of a query; running it yields the explanation.
    ///
    /// # Errors
    ///
    /// As [`Executor::plan`], or for an unknown format.
    pub fn explain(
        &self,
        catalog: &Arc<Catalog>,
        query: &Query,
        text: &str,
        request: &ExplainRequest,
    ) -> Result<Prepared> {
        let format = match &request.format {
            Some(name) => name.parse::<ExplainFormat>()?,
            None => self.state.config_options().explain.format.clone(),
        };
        let options = ExplainOption::default()
            .with_analyze(request.analyze)
            .with_verbose(request.verbose)
            .with_format(format);
        let plan =
            LogicalPlanBuilder::from(self.plan(catalog, query, text)?).explain_option_format(options)?;
        self.optimize(catalog, plan.build()?)
    }

    /// Optimises a plan that [`Executor::plan`] made, or one built on it.
    ///
    /// # Errors
    ///
    /// If a rule fails.
    pub fn optimize(&self, catalog: &Arc<Catalog>, plan: LogicalPlan) -> Result<Prepared> {
        let mut state = self.state.as_ref().clone();
        state.mark_start_execution();
        let plan = state.optimize(&plan)?;
        Ok(Prepared { schema: Arc::clone(plan.schema().inner()), plan, catalog: Arc::clone(catalog) })
    }

    /// Starts a query at once.
    ///
    /// # Errors
    ///
    /// As [`Executor::physical`] and [`Executor::start`].
    pub async fn run(&self, prepared: &Prepared, parameters: Option<ParamValues>) -> Result<Running> {
        let planned = self.physical(prepared, parameters).await?;
        self.start(&planned, Arc::default())
    }

    /// Decides how a query runs: which blocks it reads, which operators it is made of.
    ///
    /// # Errors
    ///
    /// If a parameter is missing or of a wrong type, a region names an unknown contig, or the plan fails.
    pub async fn physical(&self, prepared: &Prepared, parameters: Option<ParamValues>) -> Result<Planned> {
        let plan = match parameters {
            Some(parameters) => prepared.bind(parameters)?.plan,
            None => prepared.plan.clone(),
        };
        // Optimised already: `SessionState::create_physical_plan` would do it again.
        let plan = self.state.query_planner().create_physical_plan(&plan, self.state.as_ref()).await?;
        Ok(Planned { plan })
    }

    /// Starts a query that was planned; what it uses is counted in `usage`, which belongs to this run alone.
    ///
    /// # Errors
    ///
    /// If the plan cannot begin.
    pub fn start(&self, planned: &Planned, usage: Arc<Usage>) -> Result<Running> {
        let options = self.query_options();
        let runtime = session::runtime(options.max_memory)?;
        usage.begin(Arc::clone(&runtime.memory_pool), options.max_bytes_scanned.0);
        let context = TaskContext::from(self.state.as_ref()).with_runtime(runtime);
        let config = context.session_config().clone().with_extension(usage);
        let plan = Arc::clone(&planned.plan);
        let stream = execute_stream(Arc::clone(&plan), Arc::new(context.with_session_config(config)))?;
        Ok(Running { stream, plan })
    }

    fn snapshot(&self, catalog: &Arc<Catalog>) -> Arc<Snapshot> {
        let mut latest = self.latest.lock();
        match &*latest {
            Some((known, snapshot)) if Arc::ptr_eq(known, catalog) => Arc::clone(snapshot),
            _ => {
                let snapshot =
                    Snapshot::new(Arc::clone(catalog), self.storage.clone(), Arc::clone(&self.cache));
                let snapshot = Arc::new(snapshot);
                *latest = Some((Arc::clone(catalog), Arc::clone(&snapshot)));
                snapshot
            }
        }
    }
}

/// Computes casts of values: the type of a parameter was not known when the plan was made.
fn folded(plan: LogicalPlan) -> Result<LogicalPlan> {
    let folded = plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_up(|expr| match &expr {
                Expr::Cast(cast) => match cast.expr.as_ref() {
                    Expr::Literal(value, metadata) => {
                        let value = value.cast_to(cast.field.data_type())?;
                        Ok(Transformed::yes(Expr::Literal(value, metadata.clone())))
                    }
                    _ => Ok(Transformed::no(expr)),
                },
                _ => Ok(Transformed::no(expr)),
            })
        })
    })?;
    Ok(folded.data)
}

impl Prepared {
    /// The columns of the result.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The catalog version for which the query was planned.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The same query with the values of its parameters.
    ///
    /// # Errors
    ///
    /// If a value is missing or does not fit.
    pub fn bind(&self, parameters: ParamValues) -> Result<Self> {
        let plan = folded(self.plan.clone().with_param_values(parameters)?)?;
        Ok(Self { schema: Arc::clone(plan.schema().inner()), plan, catalog: Arc::clone(&self.catalog) })
    }

    /// The parameters, `$1` or `$name`, with their types where these are known; `$2` before `$10`, names in
    /// order.
    ///
    /// # Errors
    ///
    /// If a parameter is used with two types.
    pub fn parameters(&self) -> Result<Vec<(String, Option<DataType>)>> {
        let mut parameters: Vec<_> = self.plan.get_parameter_types()?.into_iter().collect();
        let number = |name: &str| name.trim_start_matches('$').parse::<u32>().unwrap_or(u32::MAX);
        parameters.sort_by(|(a, _), (b, _)| number(a).cmp(&number(b)).then_with(|| a.cmp(b)));
        Ok(parameters)
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("plan", &self.plan.name()).finish_non_exhaustive()
    }
}
