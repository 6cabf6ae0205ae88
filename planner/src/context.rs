//! What names mean in a query: tables of one catalog version, functions of the session.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{DataType, SchemaRef},
    common::{DataFusionError, Result, TableReference, config::ConfigOptions, plan_err},
    datasource::{ViewTable, cte_worktable::CteWorkTable, provider_as_source},
    execution::SessionState,
    logical_expr::{
        AggregateUDF, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
        planner::{ContextProvider, ExprPlanner, RelationPlanner},
    },
    sql::planner::{ParserOptions, SqlToRel},
};
use genomdb_grammar::{
    ast::{Query, Statement},
    suggest,
};

use crate::{PlanError, TableName, lower::lower_query};

/// Views may name views, so deep and no deeper.
const VIEW_DEPTH_MAX: usize = 16;

/// The tables that a query may name.
pub trait Tables {
    /// Returns a table; `None` if there is none of that name.
    fn table(&self, name: &TableName) -> Option<Arc<dyn TableSource>>;

    /// Returns the text of a view; `None` if there is none of that name.
    fn view(&self, name: &TableName) -> Option<String>;

    /// Names every table and view.
    fn names(&self) -> Vec<TableName>;
}

/// Plans a query, whose names are those of `tables` and of the session; `text` is what it was parsed from.
///
/// # Errors
///
/// If a name is unknown, or the query makes no sense.
pub fn plan(query: &Query, text: &str, state: &SessionState, tables: &dyn Tables) -> Result<LogicalPlan> {
    Context { state, tables, depth: 0 }.plan(query, text)
}

struct Context<'a> {
    state: &'a SessionState,
    tables: &'a dyn Tables,
    /// How many views stand around the query.
    depth: usize,
}

impl Context<'_> {
    fn plan(&self, query: &Query, text: &str) -> Result<LogicalPlan> {
        let statement = lower_query(query, text).map_err(external)?;
        let options = &self.state.config_options().sql_parser;
        let options = ParserOptions::new()
            .with_parse_float_as_decimal(options.parse_float_as_decimal)
            .with_enable_ident_normalization(options.enable_ident_normalization)
            .with_support_varchar_with_length(options.support_varchar_with_length)
            .with_map_string_types_to_utf8view(options.map_string_types_to_utf8view)
            .with_collect_spans(options.collect_spans);
        SqlToRel::new_with_options(self, options).sql_statement_to_plan(statement)
    }

    fn view(&self, text: &str) -> Result<Arc<dyn TableSource>> {
        if self.depth == VIEW_DEPTH_MAX {
            return plan_err!("views name each other more than {VIEW_DEPTH_MAX} deep");
        }
        let Statement::Query(query) = genomdb_grammar::parse(text).map_err(external)? else {
            return plan_err!("a view is a query");
        };
        let inner = Context { depth: self.depth + 1, ..*self };
        let plan = inner.plan(&query, text)?;
        Ok(provider_as_source(Arc::new(ViewTable::new(plan, Some(text.to_owned())))))
    }
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let wanted = TableName::new(name.schema(), name.table());
        if let Some(table) = self.tables.table(&wanted) {
            return Ok(table);
        }
        if let Some(text) = self.tables.view(&wanted) {
            return self.view(&text);
        }
        let written = name.to_string();
        let known = self.tables.names();
        let shown: Vec<String> = known.iter().map(TableName::to_string).collect();
        let suggestion = suggest(&written, shown.iter().map(String::as_str)).map(str::to_owned);
        Err(PlanError::UnknownTable { name: written, suggestion }.into())
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        self.state.relation_planners()
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }

    fn get_table_function_source(
        &self,
        name: &str,
        arguments: Vec<datafusion::logical_expr::Expr>,
    ) -> Result<Arc<dyn TableSource>> {
        let Some(function) = self.state.table_functions().get(name) else {
            return plan_err!("unknown table function `{name}`");
        };
        let arguments = datafusion::catalog::TableFunctionArgs::new(&arguments, self.state);
        Ok(provider_as_source(function.create_table_provider_with_args(arguments)?))
    }
}
