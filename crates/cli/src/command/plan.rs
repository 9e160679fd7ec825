use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use lfs_wrapper_build::plan::{self, Plan as BuildPlan, Step};

use super::Done;
use super::find::find_step;
use crate::failure::Failure;
use crate::output::{print, print_json};
use crate::session::Session;
use crate::terminal::render_table;

/// Make, check and show plans
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:  lfs-wrapper plan scripts examples/gnu -o gnu.toml")]
pub(crate) enum Plan {
    /// Make a plan from a folder of scripts
    ///
    /// Scripts are the files that begin with '#!' or whose names begin with a
    /// digit. A header between '# METADATA_BEGIN' and '# METADATA_END' may give
    /// NAME, VERSION, DESCRIPTION, CATEGORY, DEPENDS, SOURCES and USER; without
    /// DEPENDS a script needs the one before it in the sort order.
    #[command(after_help = "Example:  lfs-wrapper plan scripts examples/gnu -o gnu.toml")]
    Scripts {
        /// The folder
        folder: PathBuf,
        /// Where to write the plan; standard output without it
        #[arg(short, long, value_name = "PLAN")]
        output: Option<PathBuf>,
    },
    /// Show a plan, or one step of it
    #[command(after_help = "Example:  lfs-wrapper plan show gnu.toml 01-m4 --json")]
    Show {
        /// The plan
        plan: PathBuf,
        /// The id of a step
        step: Option<String>,
    },
    /// Say whether a plan can be run
    #[command(after_help = "Example:  lfs-wrapper plan check gnu.toml")]
    Check {
        /// The plan
        plan: PathBuf,
    },
    /// Show what needs what
    #[command(after_help = "Example:  lfs-wrapper plan graph gnu.toml | dot -Tsvg > gnu.svg")]
    Graph {
        /// The plan
        plan: PathBuf,
        /// The form
        #[arg(long, default_value = "dot")]
        format: Format,
    },
}

/// The form of a graph.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// Graphviz' language
    Dot,
    /// A JSON object: each id with what it needs
    Json,
}

pub(crate) fn run(session: &Session, command: &Plan) -> Done {
    match command {
        Plan::Scripts { folder, output } => {
            let made = plan::from_scripts(folder)?;
            let text = plan::render(&made);
            match output {
                Some(path) => fs::write(path, text).map_err(|error| {
                    Failure::io(format!("writing the plan {}", path.display()), &error)
                })?,
                None => print(&text)?,
            }
        }
        Plan::Show { plan, step: None } => show(session, &plan::read(plan)?)?,
        Plan::Show {
            plan: path,
            step: Some(id),
        } => {
            let plan = plan::read(path)?;
            show_step(session, find_step(&plan, id)?)?;
        }
        Plan::Check { plan } => {
            let count = plan::read(plan)?.steps.len();
            if session.json {
                print_json(&serde_json::json!({ "plan": plan, "steps": count }))?;
            } else if !session.quiet {
                print(&format!(
                    "{}: {count} steps, and each can be reached\n",
                    plan.display()
                ))?;
            }
        }
        Plan::Graph { plan, format } => graph(&plan::read(plan)?, *format)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(session: &Session, plan: &BuildPlan) -> Result<(), Failure> {
    if session.json {
        return print_json(plan);
    }
    let row = |step: &Step| {
        vec![
            step.id.clone(),
            step.display_title(),
            step.needs.join(" "),
            step.sbu
                .map_or_else(|| "-".to_owned(), |sbu| sbu.to_string()),
        ]
    };
    let rows: Vec<Vec<String>> = plan.steps.iter().map(row).collect();
    let table = render_table(
        session.style(),
        &["STEP", "TITLE", "NEEDS", "SBU"],
        &rows,
        3,
    );
    print(&format!("plan {}\n{table}", plan.name))
}

fn show_step(session: &Session, step: &Step) -> Result<(), Failure> {
    if session.json {
        return print_json(step);
    }
    let mut text = format!("{}  {}\n", step.id, step.display_title());
    if !step.needs.is_empty() {
        text.push_str(&format!("needs: {}\n", step.needs.join(", ")));
    }
    for source in &step.sources {
        text.push_str(&format!("source: {}\n", source.file));
    }
    for phase in &step.phases {
        text.push_str(&format!("\n{}\n", session.style().strong(&phase.name)));
        if let Some(file) = &phase.file {
            text.push_str(&format!("    {}\n", file.display()));
        }
        for line in phase.script.iter().flat_map(|script| script.trim().lines()) {
            text.push_str(&format!("    {line}\n"));
        }
    }
    print(&text)
}

fn graph(plan: &BuildPlan, format: Format) -> Result<(), Failure> {
    match format {
        Format::Dot => print(&plan.render_dot()),
        Format::Json => {
            let needs = plan.steps.iter().map(|step| (&step.id, &step.needs));
            print_json(&needs.collect::<std::collections::BTreeMap<_, _>>())
        }
    }
}
