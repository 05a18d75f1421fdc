//! The program: reads the command line, and serves.

use std::io::Write as _;
use std::process::ExitCode;

use pintle::check::{self, CheckError};
use pintle::cli::{self, CliError, Command};
use pintle::openapi::OpenApiError;
use pintle::{audit, auth, backup, complain, kubeconfig, logging, openapi, project, serve, token};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let environment = |name: &str| std::env::var_os(name);
    match cli::parse(std::env::args_os(), &environment) {
        Ok(Command::Version) => {
            say(cli::version());
            ExitCode::SUCCESS
        }
        Ok(Command::Auth(command)) => ask(&command),
        Ok(Command::Token(args)) => finish(token::run(&args, &mut std::io::stdout())),
        Ok(Command::Kubeconfig(settings, args)) => {
            finish(kubeconfig::run(&settings, &args, &mut std::io::stdout()))
        }
        Ok(Command::Backup { file, data_dir }) => {
            finish(backup::run_backup(&file, &data_dir, &mut std::io::stdout()))
        }
        Ok(Command::Restore(args)) => finish(backup::run_restore(&args, &mut std::io::stdout())),
        Ok(Command::CheckBackup(file)) => finish(check::run_backup(&file, &mut std::io::stdout())),
        Ok(Command::Check(config)) => finish(run_check(&config)),
        Ok(Command::Init(args)) => finish(project::init(&args, &mut std::io::stdout())),
        Ok(Command::AddResource(args)) => {
            finish(project::add_resource(&args, &mut std::io::stdout()))
        }
        Ok(Command::AddVersion(args)) => {
            finish(project::add_version(&args, &mut std::io::stdout()))
        }
        Ok(Command::Generate(args)) => generate(&args),
        Ok(Command::OpenApi(args)) => finish(describe(&args)),
        Ok(Command::Man(dir)) => finish(cli::write_manual(&dir)),
        Ok(Command::Completions(shell)) => {
            cli::complete(shell, &mut std::io::stdout());
            ExitCode::SUCCESS
        }
        Ok(Command::Serve(config)) => {
            let _last_lines = logging::start(config.log_format);
            run(&config)
        }
        Err(CliError::Usage(usage)) => usage.exit(),
        Err(error @ CliError::Config(_)) => {
            complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Yes is success, no is failure, and no answer is neither.
fn ask(command: &auth::AuthCommand) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answered = match &runtime {
        Ok(runtime) => runtime.block_on(auth::run(command, &mut std::io::stdout())),
        Err(error) => {
            complain(error);
            return ExitCode::from(2);
        }
    };
    match answered {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

fn run(config: &pintle::config::ServeConfig) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    // Standard output may be for records alone.
    let mut out: Box<dyn std::io::Write> = if audit::takes_standard_output(&config.audit) {
        Box::new(std::io::stderr())
    } else {
        Box::new(std::io::stdout())
    };
    match runtime.block_on(serve::serve(config, &mut out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn run_check(config: &pintle::config::ServeConfig) -> Result<(), CheckError> {
    let _last_lines = logging::start(config.log_format);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(CheckError::Runtime)?;
    runtime.block_on(check::run(config, &mut std::io::stdout()))
}

/// What is out of date is a failure; what cannot be generated is the user's to put right.
fn generate(args: &project::GenerateArgs) -> ExitCode {
    match project::generate(args, &mut std::io::stdout()) {
        Err(error @ project::ProjectError::OutOfDate { .. }) => {
            complain(&error);
            ExitCode::FAILURE
        }
        other => finish(other),
    }
}

fn describe(args: &openapi::OpenApiArgs) -> Result<(), OpenApiError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(OpenApiError::Runtime)?;
    runtime.block_on(openapi::run(args, &mut std::io::stdout()))
}

fn finish<E: std::error::Error>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

fn say(text: &str) {
    // A reader that has gone needs no message.
    drop(writeln!(std::io::stdout(), "{text}"));
}
