//! The DataFusion session of a node: made once, used for every query.

use std::sync::Arc;

use datafusion::{
    common::{
        Result,
        config::{ConfigExtension, ConfigOptions, ExtensionOptions},
        extensions_options,
    },
    execution::{
        SessionState, SessionStateBuilder,
        memory_pool::{GreedyMemoryPool, TrackConsumersPool},
        runtime_env::RuntimeEnvBuilder,
    },
    physical_optimizer::optimizer::PhysicalOptimizer,
    prelude::SessionConfig,
};
use genomdb_planner::{SameTextRule, functions};

use crate::{
    ByteCount, QueryOptions, genome_order::GenomeOrderRule, interval_join::IntervalJoinRule,
    yielding::YieldingRule,
};

extensions_options! {
    /// Settings of GenomDB's own, as `SET genomdb.…` changes them.
    pub struct GenomdbOptions {
        /// Whether filters, regions and overlaps reach the scan; off, every row is read and compared above it.
        pub pushdown: bool, default = true
    }
}

impl ConfigExtension for GenomdbOptions {
    const PREFIX: &'static str = "genomdb";
}

/// Whether filters and overlaps reach the scan.
pub(crate) fn pushdown(config: &ConfigOptions) -> bool {
    config.extensions.get::<GenomdbOptions>().is_none_or(|options| options.pushdown)
}

/// Settings of an [`Executor`](crate::Executor).
#[derive(Clone, Debug)]
pub struct Config {
    /// Streams in which a query runs, and blocks that are decoded at a time.
    ///
    /// Default: the number of processors. Bounds: 1..=1024.
    pub parallelism: usize,
    /// Rows of a record batch.
    ///
    /// Default: 8,192. Bounds: 128..=1,048,576.
    pub batch_rows: usize,
    /// Memory that one query may take, unless `query.max_memory` says another.
    ///
    /// Default: 2 GiB. Bounds: 16 MiB..=1 TiB.
    pub query_memory_bytes_max: usize,
    /// Memory for index roots and pages, of all queries together.
    ///
    /// Default: 256 MiB. Bounds: 1 MiB..=64 GiB.
    pub index_cache_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            parallelism: std::thread::available_parallelism().map_or(1, usize::from),
            batch_rows: 8192,
            query_memory_bytes_max: 2 << 30,
            index_cache_bytes_max: 256 << 20,
        }
    }
}

/// Makes the session that every query of a node shares.
pub(crate) fn state(config: &Config) -> Result<SessionState> {
    let memory = ByteCount(config.query_memory_bytes_max as u64);
    let query = QueryOptions { max_memory: memory, ..QueryOptions::default() };
    let mut options = SessionConfig::new()
        .with_target_partitions(config.parallelism.clamp(1, 1024))
        .with_batch_size(config.batch_rows.clamp(128, 1 << 20))
        .with_option_extension(GenomdbOptions::default())
        .with_option_extension(query.clone());
    let settings = options.options_mut();
    settings.sql_parser.map_string_types_to_utf8view = false;
    settings.sql_parser.collect_spans = true;
    settings.optimizer.prefer_existing_sort = true;
    settings.optimizer.expand_views_at_output = true;
    let mut state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(options)
        .with_runtime_env(runtime(query.max_memory)?)
        .with_optimizer_rule(Arc::new(SameTextRule))
        .with_physical_optimizer_rules(rules())
        .build();
    for function in functions::scalar_functions() {
        datafusion::execution::FunctionRegistry::register_udf(&mut state, function)?;
    }
    Ok(state)
}

/// A setting: its name, its value and what it does.
pub type Setting = (String, Option<String>, String);

/// Every setting.
pub fn settings(options: &ConfigOptions) -> Vec<Setting> {
    let entries = |prefix: &'static str, extension: Option<&dyn ExtensionOptions>| {
        let entries = extension.map(ExtensionOptions::entries).unwrap_or_default().into_iter();
        entries.map(move |entry| {
            (format!("{prefix}.{}", entry.key), entry.value, entry.description.trim().to_owned())
        })
    };
    let genomdb = options.extensions.get::<GenomdbOptions>().map(|options| options as _);
    let query = options.extensions.get::<QueryOptions>().map(|options| options as _);
    let own = entries(QueryOptions::PREFIX, query).chain(entries(GenomdbOptions::PREFIX, genomdb));
    let rest = options.entries().into_iter();
    own.chain(rest.map(|entry| (entry.key, entry.value, entry.description.to_owned()))).collect()
}

/// A pool of its own for each query: what one takes does not fail another.
pub(crate) fn runtime(memory: ByteCount) -> Result<Arc<datafusion::execution::runtime_env::RuntimeEnv>> {
    let consumers = std::num::NonZeroUsize::MIN.saturating_add(4);
    let bytes = match usize::try_from(memory.0) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(bytes) => bytes,
    };
    let pool = TrackConsumersPool::new(GreedyMemoryPool::new(bytes), consumers);
    Ok(Arc::new(RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).build()?))
}

fn rules() -> Vec<Arc<dyn datafusion::physical_optimizer::PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    // Before streams are divided among the operators, so that ours take part in that.
    let place = rules.iter().position(|rule| rule.name() == "join_selection").map_or(0, |place| place + 1);
    rules.insert(place, Arc::new(IntervalJoinRule));
    rules.push(Arc::new(GenomeOrderRule));
    rules.push(Arc::new(YieldingRule));
    rules
}
