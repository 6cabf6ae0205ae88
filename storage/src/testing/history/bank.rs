//! Accounts under several keys, transfers between them in transactions, and reads of all of them.

use super::{
    Call, CallId, History,
    subset::{Changes, adds_up},
};

/// A history of a bank.
pub type BankHistory = History<BankAction, BankAnswer>;

/// What is asked of a bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BankAction {
    /// Moves money, in one transaction over both keys.
    Transfer {
        /// Account it comes from.
        from: usize,
        /// Account it goes to.
        to: usize,
        /// How much.
        amount: i64,
    },
    /// Reads all accounts at one moment.
    Read,
}

/// What a bank answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BankAnswer {
    /// The money was moved.
    Transferred,
    /// There was not enough; nothing was moved.
    Refused,
    /// The balances of all accounts.
    Balances(Vec<i64>),
}

/// What is wrong with a bank.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BankError {
    /// Money was made or lost.
    #[error("call {} reads {balances:?}, {sum} in all, of {expected} that there are", call.0)]
    Sum {
        /// The read.
        call: CallId,
        /// What it answered.
        balances: Vec<i64>,
        /// Their sum.
        sum: i128,
        /// The sum at the beginning.
        expected: i128,
    },
    /// An account was overdrawn.
    #[error("call {} reads {balances:?}, an account overdrawn", call.0)]
    Overdrawn {
        /// The read.
        call: CallId,
        /// What it answered.
        balances: Vec<i64>,
    },
    /// The number of accounts is wrong.
    #[error("call {} reads {found} accounts of {expected}", call.0)]
    Accounts {
        /// The read.
        call: CallId,
        /// How many it answered.
        found: usize,
        /// How many there are.
        expected: usize,
    },
    /// The balances do not follow from the transfers that were, and some of those that may have been.
    #[error("call {} reads {balances:?}; {certain} certain transfers and no choice of {possible} possible ones give that", call.0)]
    Balances {
        /// The read.
        call: CallId,
        /// What it answered.
        balances: Vec<i64>,
        /// Transfers that ended before the read began.
        certain: usize,
        /// Transfers under way or of unknown end.
        possible: usize,
    },
}

/// How a bank did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BankReport {
    /// Reads that were judged.
    pub reads: usize,
    /// Reads of which the sum is right, and of which it took too long to tell whether the balances
    /// follow from the transfers.
    pub undecided: usize,
}

/// Judges every read: the sum is what it was at the beginning, no account is below zero unless it
/// began so, and the balances are those of the beginning after all transfers that ended before the
/// read began and some of those that may have taken effect by its end.
pub fn check(history: &BankHistory, initial: &[i64], steps_max: u64) -> Result<BankReport, BankError> {
    let expected = sum(initial);
    let overdraft = initial.iter().any(|balance| *balance < 0);
    let mut report = BankReport::default();
    for (id, call) in history.iter() {
        let Some((_, BankAnswer::Balances(balances))) = call.answer() else { continue };
        report.reads += 1;
        let balances = balances.clone();
        if balances.len() != initial.len() {
            return Err(BankError::Accounts { call: id, found: balances.len(), expected: initial.len() });
        }
        if sum(&balances) != expected {
            return Err(BankError::Sum { call: id, sum: sum(&balances), balances, expected });
        }
        if !overdraft && balances.iter().any(|balance| *balance < 0) {
            return Err(BankError::Overdrawn { call: id, balances });
        }
        let (certain, possible) = transfers_before(history, call);
        let mut wanted: Vec<i64> =
            balances.iter().zip(initial).map(|(now, then)| now.wrapping_sub(*then)).collect();
        for (number, amount) in certain.iter().flatten() {
            if let Some(wanted) = wanted.get_mut(*number) {
                *wanted = wanted.wrapping_sub(*amount);
            }
        }
        let counts = (certain.len(), possible.len());
        match adds_up(possible, &wanted, steps_max) {
            Some(true) => {}
            Some(false) => {
                let (certain, possible) = counts;
                return Err(BankError::Balances { call: id, balances, certain, possible });
            }
            None => report.undecided += 1,
        }
    }
    Ok(report)
}

/// The transfers that a read must see, and those that it may see.
fn transfers_before(
    history: &BankHistory,
    read: &Call<BankAction, BankAnswer>,
) -> (Vec<Changes>, Vec<Changes>) {
    let (mut certain, mut possible) = (Vec::new(), Vec::new());
    for call in history.calls() {
        let BankAction::Transfer { from, to, amount } = call.action else { continue };
        let refused = matches!(call.answer(), Some((_, BankAnswer::Refused)));
        let too_late = read.ends().is_some_and(|end| call.invoked > end);
        if refused || !call.possible() || too_late || from == to {
            continue;
        }
        let before = call.ends().is_some_and(|end| end < read.invoked);
        let transfers = if before { &mut certain } else { &mut possible };
        transfers.push(vec![(from, amount.wrapping_neg()), (to, amount)]);
    }
    (certain, possible)
}

fn sum(balances: &[i64]) -> i128 {
    balances.iter().map(|balance| i128::from(*balance)).sum()
}
