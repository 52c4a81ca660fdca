//! The figures, as the race writes them with `--json`; what is not drawn is not read.

use serde::Deserialize;

#[derive(Deserialize)]
struct Report {
    rows: Vec<Row>,
}

/// A workload.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) unit: String,
    contenders: Vec<Contender>,
}

/// A contender, and the median of its rounds.
#[derive(Debug, Deserialize)]
pub(crate) struct Contender {
    pub(crate) name: String,
    side: Side,
    /// `None` if nothing was measured: JSON has no NaN.
    median: Option<f64>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Side {
    Ours,
    Other,
    Floor,
}

/// Reads the rows of a report.
pub(crate) fn read(json: &str) -> Result<Vec<Row>, String> {
    let report: Report = serde_json::from_str(json)
        .map_err(|error| format!("this is no report of the race: {error}"))?;
    Ok(report.rows)
}

/// Returns the rows with these names, in this order; all rows if there is no name.
pub(crate) fn select(mut rows: Vec<Row>, names: &[String]) -> Result<Vec<Row>, String> {
    if names.is_empty() {
        return Ok(rows);
    }
    let take = |name: &String| {
        let at = rows.iter().position(|row| row.name == *name);
        let at =
            at.ok_or_else(|| format!("there is no row {name} in the file, or it was named twice"))?;
        Ok(rows.remove(at))
    };
    names.iter().map(take).collect()
}

impl Row {
    /// Returns the median of workmill.
    pub(crate) fn ours(&self) -> Option<f64> {
        let mut ours = self.contenders.iter().filter(|it| it.side == Side::Ours);
        ours.next()?.median
    }

    /// Returns the other contenders and how much each has taken of what workmill took, from the
    /// strongest on.
    pub(crate) fn ratios(&self) -> Vec<(&Contender, f64)> {
        let Some(ours) = self.ours().filter(|ours| *ours > 0.0) else {
            return Vec::new();
        };
        let others = self.contenders.iter().filter(|it| it.side == Side::Other);
        let ratios = others.filter_map(|it| Some((it, it.median? / ours)));
        let mut ratios: Vec<_> = ratios
            .filter(|(_, ratio)| ratio.is_finite() && *ratio > 0.0)
            .collect();
        ratios.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        ratios
    }
}
