//! Tables of the dataset `system`: what the node knows of itself, as rows that are made when they are asked for.

use std::{fmt, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider, memory::MemorySourceConfig},
    common::Result,
    config::ConfigOptions,
    logical_expr::{Expr, TableType},
    physical_plan::ExecutionPlan,
};

/// The dataset of these tables; no other has its name.
pub const SYSTEM_DATASET: &str = "system";

/// Makes the rows of a table, from the settings of the session that asks.
type Rows = dyn Fn(&ConfigOptions) -> Result<RecordBatch> + Send + Sync;

/// A table whose rows are made anew for each scan.
#[derive(Clone)]
pub struct SystemTable {
    name: &'static str,
    schema: SchemaRef,
    rows: Arc<Rows>,
}

impl SystemTable {
    /// A table in [`SYSTEM_DATASET`]; `rows` makes batches of `schema`.
    pub fn new(
        name: &'static str,
        schema: SchemaRef,
        rows: impl Fn(&ConfigOptions) -> Result<RecordBatch> + Send + Sync + 'static,
    ) -> Self {
        Self { name, schema, rows: Arc::new(rows) }
    }

    /// What it is called.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its columns.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl fmt::Debug for SystemTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SystemTable").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for SystemTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = (self.rows)(state.config_options())?;
        let source =
            MemorySourceConfig::try_new_exec(&[vec![rows]], Arc::clone(&self.schema), projection.cloned())?;
        Ok(source)
    }
}
