//! Prints docs/status.md: `make docs`.

#![expect(clippy::print_stdout, reason = "the page is the result")]

fn main() {
    print!("{}", tidetable::operator::reference());
}
