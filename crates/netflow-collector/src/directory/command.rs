//! A command for each file that is complete.

use std::collections::VecDeque;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::writer::{OutputEvent, Teller, WriterReport};

/// Commands that run at once.
const AT_ONCE: usize = 4;
/// Commands that wait for those.
const WAITING: usize = 1_000;
/// How long commands are waited for at the end.
const AT_THE_END: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// A command to run for each file that is complete, as `-x` of nfcapd has it, but without a shell: words are
/// separated by blanks, quotes `'` and `"` and the backslash keep blanks together, and what is put in for `%f` (file,
/// below the directory), `%d` (directory), `%t` (time in the name), `%u` (Unix seconds of the window) and `%i`
/// (name of the source) stays within its word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCommand {
    words: Vec<String>,
    /// What `%i` stands for.
    pub ident: String,
}

/// A command that cannot be taken apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCommand {
    /// There is nothing in it.
    #[error("there is no command")]
    Empty,
    /// A quote is not closed.
    #[error("a quote is not closed")]
    OpenQuote,
}

impl FromStr for FileCommand {
    type Err = BadCommand;

    fn from_str(text: &str) -> Result<Self, BadCommand> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match (quote, character) {
                (None, ' ' | '\t' | '\n') => words.extend(word.take()),
                (None, '\'' | '"') => {
                    quote = Some(character);
                    word.get_or_insert_default();
                }
                (Some(open), _) if open == character => quote = None,
                (None | Some('"'), '\\') => {
                    word.get_or_insert_default().push(characters.next().unwrap_or('\\'));
                }
                _ => word.get_or_insert_default().push(character),
            }
        }
        words.extend(word);
        match (quote, words.is_empty()) {
            (Some(_), _) => Err(BadCommand::OpenQuote),
            (None, true) => Err(BadCommand::Empty),
            _ => Ok(Self { words, ident: "none".into() }),
        }
    }
}

impl FileCommand {
    /// The words, with what stands for `%` and a letter.
    fn words(&self, value: impl Fn(char) -> Option<String>) -> Vec<String> {
        let words = self.words.iter().map(|word| {
            let (mut filled, mut characters) = (String::new(), word.chars());
            while let Some(character) = characters.next() {
                if character != '%' {
                    filled.push(character);
                    continue;
                }
                match characters.next() {
                    Some('%') => filled.push('%'),
                    Some(letter) => match value(letter) {
                        Some(value) => filled.push_str(&value),
                        None => filled.extend(['%', letter]),
                    },
                    None => filled.push('%'),
                }
            }
            filled
        });
        words.collect()
    }
}

/// Runs commands, a bounded number at once.
pub(super) struct Commands {
    command: FileCommand,
    waiting: VecDeque<Vec<String>>,
    running: Vec<Child>,
}

impl Commands {
    pub(super) fn new(command: FileCommand) -> Self {
        Self { command, waiting: VecDeque::new(), running: Vec::new() }
    }

    /// Has the command run for a file, now or later.
    pub(super) fn run(
        &mut self,
        top: &Path,
        file: &Path,
        stamp: &str,
        start: i64,
        report: &mut WriterReport,
    ) {
        if self.waiting.len() >= WAITING {
            report.skipped_commands += 1;
            return;
        }
        let below = file.strip_prefix(top).unwrap_or(file);
        self.waiting.push_back(self.command.words(|letter| match letter {
            'f' => Some(below.display().to_string()),
            'd' => Some(top.display().to_string()),
            't' => Some(stamp.to_owned()),
            'u' => Some(start.to_string()),
            'i' => Some(self.command.ident.clone()),
            _ => None,
        }));
    }

    /// Starts what waits, and sees what ended.
    pub(super) fn look_after(&mut self, report: &mut WriterReport, teller: &mut Teller) {
        let mut failures = Vec::new();
        self.running.retain_mut(|child| match child.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                failures.extend((!status.success()).then(|| status.to_string()));
                false
            }
            Err(error) => {
                failures.push(error.to_string());
                false
            }
        });
        while self.running.len() < AT_ONCE
            && let Some(words) = self.waiting.pop_front()
        {
            match start(&words) {
                Ok(child) => self.running.push(child),
                Err(error) => failures.push(error.to_string()),
            }
        }
        for failure in failures {
            report.failed_commands += 1;
            let program = self.command.words[0].clone();
            teller.tell(OutputEvent::CommandFailed { program, failure });
        }
    }

    /// Waits for all commands, but not for ever.
    pub(super) fn end(mut self, report: &mut WriterReport, teller: &mut Teller) {
        let until = Instant::now() + AT_THE_END;
        self.look_after(report, teller);
        while !self.running.is_empty() && Instant::now() < until {
            std::thread::sleep(LOOK);
            self.look_after(report, teller);
        }
        report.skipped_commands += self.waiting.len() as u64;
        report.running_commands = self.running.len() as u64;
    }
}

fn start(words: &[String]) -> io::Result<Child> {
    let mut command = Command::new(&words[0]);
    // stdout is for flows. A signal from the terminal is for the collector alone: a command comes to its end.
    command.args(&words[1..]).stdin(Stdio::null()).stdout(io::stderr()).process_group(0).spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &str) -> Vec<String> {
        let command: FileCommand = command.parse().unwrap();
        command.words(|letter| match letter {
            'd' => Some("/my flows; rm -rf /".into()),
            'f' => Some("a\"b'c$(d)%t".into()),
            _ => None,
        })
    }

    #[test]
    fn what_is_put_in_stays_in_its_word() {
        assert_eq!(words("gzip -k %d/%f"), ["gzip", "-k", "/my flows; rm -rf //a\"b'c$(d)%t"]);
        assert_eq!(
            words("a 'b %d' \"c \\\" d\"e\\ f '' 100%% %x %"),
            ["a", "b /my flows; rm -rf /", "c \" de f", "", "100%", "%x", "%"]
        );
    }

    #[test]
    fn a_command_has_words() {
        assert_eq!(" \t".parse::<FileCommand>(), Err(BadCommand::Empty));
        assert_eq!("say 'hello".parse::<FileCommand>(), Err(BadCommand::OpenQuote));
    }

    #[test]
    fn commands_run_some_at_once_and_their_failures_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seen");
        let script = format!("sh -c 'echo $1 $2 $3 >> {}; [ $2 != 7 ]' _ %f %u %i", file.display());
        let mut commands = Commands::new(script.parse().unwrap());
        let (mut report, (mut teller, events)) = (WriterReport::default(), Teller::new());
        for number in 0..20 {
            commands.run(Path::new("/top"), Path::new("/top/below/nf.x"), "x", number, &mut report);
            commands.look_after(&mut report, &mut teller);
            assert!(commands.running.len() <= AT_ONCE);
        }
        commands.end(&mut report, &mut teller);
        assert_eq!((report.failed_commands, report.skipped_commands, report.running_commands), (1, 0, 0));
        let mut seen: Vec<_> = std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect();
        seen.sort();
        let mut wanted: Vec<_> = (0..20).map(|number| format!("below/nf.x {number} none")).collect();
        wanted.sort();
        assert_eq!(seen, wanted);
        assert!(
            matches!(events.try_recv(), Ok(OutputEvent::CommandFailed { program, .. }) if program == "sh")
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_a_failure() {
        let mut commands = Commands::new("/no/such/program %f".parse().unwrap());
        let (mut report, (mut teller, _)) = (WriterReport::default(), Teller::new());
        commands.run(Path::new("/top"), Path::new("/top/nf.x"), "x", 0, &mut report);
        commands.end(&mut report, &mut teller);
        assert_eq!(report.failed_commands, 1);
    }
}
