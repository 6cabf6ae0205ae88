//! One plan for all runs of a statement: with every row of values that was bound to its parameters.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema},
};
use datafusion::{
    common::tree_node::{Transformed, TreeNode as _},
    datasource::{MemTable, provider_as_source},
    error::DataFusionError,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource, Union, Values, col},
};

use crate::{QueryError, parameters::Parameters};

/// Rows that can be bound to a query other than `VALUES`, which is then part of the plan as often.
const RUNS_MAX: usize = 256;

/// Returns a plan that yields the rows of all runs.
pub(super) fn bind(plan: LogicalPlan, parameters: &Parameters) -> Result<LogicalPlan, QueryError> {
    if let LogicalPlan::Values(values) = &plan {
        return Ok(of_values(values, parameters.batches())?);
    }
    let by_name = plan.get_parameter_types()?.keys().any(|name| place(name).is_none());
    let runs = parameters.runs(by_name)?;
    if runs.len() > RUNS_MAX {
        let message = format!("{} rows are bound to a query, which takes at most {RUNS_MAX}", runs.len());
        return Err(QueryError::invalid(message).with_hint("VALUES takes any number"));
    }
    let mut plans = Vec::with_capacity(runs.len());
    for values in runs.into_iter().flatten() {
        plans.push(Arc::new(plan.clone().with_param_values(values)?));
    }
    Ok(union(plans, &plan)?)
}

/// The types of the parameters that stand for themselves in `VALUES`, given those of its columns.
pub(super) fn types_of(values: &Values, columns: &[DataType]) -> BTreeMap<String, DataType> {
    let cells = values.values.iter().flat_map(|row| row.iter().zip(columns));
    let types = cells.filter_map(|(value, column)| match value {
        Expr::Placeholder(placeholder) => Some((placeholder.id.clone(), column.clone())),
        _ => None,
    });
    types.collect()
}

/// `VALUES` over the columns of the parameters: planned once, however many rows there are.
fn of_values(values: &Values, batches: &[RecordBatch]) -> Result<LogicalPlan, DataFusionError> {
    let (names, source) = table(batches)?;
    let mut plans = Vec::with_capacity(values.values.len());
    for row in &values.values {
        let row = row.iter().zip(values.schema.fields()).map(|(value, field)| {
            let value = value.clone().transform_up(|part| match &part {
                Expr::Placeholder(placeholder) => {
                    let name = placeholder.id.trim_start_matches('$');
                    let at = place(name).or_else(|| names.iter().position(|known| known == name));
                    match at.filter(|at| *at < names.len()) {
                        Some(at) => Ok(Transformed::yes(col(column(at)))),
                        None => Err(DataFusionError::Plan(format!("parameter ${name} has no value"))),
                    }
                }
                _ => Ok(Transformed::no(part)),
            })?;
            Ok(value.data.alias(field.name()))
        });
        let row = row.collect::<Result<Vec<_>, DataFusionError>>()?;
        let scan = LogicalPlanBuilder::scan("parameters", Arc::clone(&source), None)?;
        plans.push(Arc::new(scan.project(row)?.build()?));
    }
    union(plans, &LogicalPlan::Values(values.clone()))
}

/// The values as a table, under names that differ; and the names that they had.
fn table(batches: &[RecordBatch]) -> Result<(Vec<String>, Arc<dyn TableSource>), DataFusionError> {
    let fields = batches.first().map(|batch| batch.schema_ref().fields().clone()).unwrap_or_default();
    let renamed =
        fields.iter().enumerate().map(|(at, field)| Field::new(column(at), field.data_type().clone(), true));
    let schema = Arc::new(Schema::new(renamed.collect::<Vec<_>>()));
    let batches =
        batches.iter().map(|batch| RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec()));
    let batches = batches.collect::<Result<Vec<_>, _>>()?;
    let source = provider_as_source(Arc::new(MemTable::try_new(schema, vec![batches])?));
    Ok((fields.iter().map(|field| field.name().clone()).collect(), source))
}

fn column(at: usize) -> String {
    format!("p{at}")
}

/// Where the value of `$1`, `$2`, … stands; `None` if the parameter has a name.
fn place(name: &str) -> Option<usize> {
    name.trim_start_matches('$').parse::<usize>().ok()?.checked_sub(1)
}

/// The rows of all plans; none of a query that has no run.
fn union(mut plans: Vec<Arc<LogicalPlan>>, query: &LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    match plans.len() {
        0 => {
            let schema = Arc::clone(query.schema());
            let empty = datafusion::logical_expr::EmptyRelation { produce_one_row: false, schema };
            Ok(LogicalPlan::EmptyRelation(empty))
        }
        1 => Ok(Arc::unwrap_or_clone(plans.remove(0))),
        _ => Ok(LogicalPlan::Union(Union::try_new_with_loose_types(plans)?)),
    }
}
