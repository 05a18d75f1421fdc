//! [`main()`]: the `main` of a program that is a server of its own kinds.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use crate::cli::{self, CliError};
use crate::{ServeConfig, ServeError, logging};

/// Whatever ended a program.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Reads the command line, which has the options of `pintle serve`, starts logging and a runtime,
/// and runs the program on it. What ends it is told on standard error; the exit code is that of
/// `pintle serve`: 2 for what the user has to put right, 1 for the rest.
pub fn main(program: impl AsyncFnOnce(ServeConfig) -> Result<(), Failure>) -> ExitCode {
    let environment = |name: &str| std::env::var_os(name);
    let settings = match cli::parse_settings(std::env::args_os(), &environment) {
        Ok(settings) => settings,
        Err(CliError::Usage(usage)) => usage.exit(),
        Err(error @ CliError::Config(_)) => {
            complain(&error);
            return ExitCode::from(error.exit_code());
        }
    };
    let _last_lines = logging::start(settings.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(program(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            ExitCode::from(error.downcast_ref::<ServeError>().map_or(1, ServeError::exit_code))
        }
    }
}

/// Tells on standard error what ended the program, and what is behind it.
pub fn complain(error: &dyn Error) {
    let mut text = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}\n  because: {cause}");
        source = cause.source();
    }
    // A reader that has gone needs no message.
    drop(writeln!(std::io::stderr(), "{text}"));
}
