//! Plots of what was measured, as SVG.

use std::collections::BTreeMap;

use e2e::{Checked, Failure};
use plotters::prelude::*;

use crate::{
    latency::{LatencyFigures, LatencyResults, TITLES},
    program::{Maker, PROGRAMS, Program},
    results::{Figures, Results, folder},
    scale::{ScaleMedians, Side},
};

const WIDTH: u32 = 860;
const ROW_HEIGHT: u32 = 34;
const MARGIN_HEIGHT: u32 = 90;
const LABEL_WIDTH: u32 = 300;
const SCALE_HEIGHT: u32 = 300;
const FONT: &str = "sans-serif";
const TALLY: RGBColor = RGBColor(0x1f, 0x6f, 0x5c);
const OTHERS: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);
/// Colours of lines, told apart by people with any sight of colours (Okabe and Ito's palette).
const LINES: [RGBColor; COMPARED] = [TALLY, RGBColor(0xe6, 0x9f, 0x00), RGBColor(0x56, 0xb4, 0xe9)];

/// One bar.
struct Bar {
    title: &'static str,
    is_tally: bool,
    value: f64,
}

/// Draws records a second and CPU seconds, for consumers and producers.
///
/// # Errors
/// When a file can't be written.
pub fn throughput(results: &Results) -> Checked {
    type Figure = fn(&Figures) -> f64;
    let rate: Figure = |figures| figures.records_per_second.median / 1e6;
    let cpu: Figure = |figures| figures.cpu_seconds_per_million.median;
    for (name, title, figure, consumes) in [
        ("consumers-rate", "Consumers: million records a second", rate, true),
        ("consumers-cpu", "Consumers: CPU seconds for a million records", cpu, true),
        ("producers-rate", "Producers: million records a second", rate, false),
        ("producers-cpu", "Producers: CPU seconds for a million records", cpu, false),
    ] {
        let programs = PROGRAMS.iter().filter(|program| program.consumes() == consumes);
        let bar = |program: &Program| {
            let figures = results.medians.get(program.name)?;
            Some(Bar { title: program.title, is_tally: program.maker == Maker::Tally, value: figure(figures) })
        };
        let bars: Vec<Bar> = programs.filter_map(bar).collect();
        let subtitle = format!("{} · medians · {}", results.origin.machine, results.origin.commit);
        draw_bars(name, title, &subtitle, &bars).map_err(|error| Failure::new(format!("plotting {name}: {error}")))?;
    }
    Ok(())
}

/// Bars from left to right, the first on top, each with its value.
fn draw_bars(name: &str, title: &str, subtitle: &str, bars: &[Bar]) -> Result<(), Box<dyn std::error::Error>> {
    let path = folder().join(format!("{name}.svg"));
    let rows = u32::try_from(bars.len())?;
    let most = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let height = MARGIN_HEIGHT + rows * ROW_HEIGHT;
    let area = SVGBackend::new(&path, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    area.draw(&Text::new(title, (16, 14), (FONT, 19).into_font()))?;
    area.draw(&Text::new(subtitle, (16, 42), (FONT, 12).into_font().color(&BLACK.mix(0.6))))?;
    let length = f64::from(WIDTH - LABEL_WIDTH - 110);
    for (row, bar) in (0..).zip(bars) {
        let top = 70 + row * i32::try_from(ROW_HEIGHT)?;
        let left = i32::try_from(LABEL_WIDTH)?;
        #[expect(clippy::cast_possible_truncation, reason = "pixels")]
        let right = left + (bar.value / most * length).max(1.0) as i32;
        let colour = if bar.is_tally { TALLY } else { OTHERS };
        area.draw(&Text::new(bar.title, (16, top + 5), (FONT, 14).into_font()))?;
        area.draw(&Rectangle::new([(left, top), (right, top + 22)], colour.filled()))?;
        area.draw(&Text::new(format!("{:.3}", bar.value), (right + 8, top + 5), (FONT, 14).into_font()))?;
    }
    area.present()?;
    Ok(())
}

/// How many of the [`TITLES`] are compared with each other.
const COMPARED: usize = 3;

/// Draws the 99th percentile until a record was counted over the rate, both on logarithmic scales.
///
/// # Errors
/// When the file can't be written.
pub fn latency(results: &LatencyResults) -> Checked {
    draw_latency(results).map_err(|error| Failure::new(format!("plotting latency: {error}")))
}

fn draw_latency(results: &LatencyResults) -> Result<(), Box<dyn std::error::Error>> {
    let path = folder().join("latency-p99.svg");
    let rates: Vec<u64> = results.medians.keys().copied().filter(|&rate| rate > 0).collect();
    let (Some(&least), Some(&most)) = (rates.first(), rates.last()) else { return Ok(()) };
    let compared = |programs: &BTreeMap<&str, LatencyFigures>| {
        let p99_ms = |(name, _)| programs.get(name).map_or(0.0, |figures| figures.p99_ms);
        TITLES.into_iter().take(COMPARED).map(p99_ms).fold(10.0, f64::max)
    };
    let highest = rates.iter().map(|rate| compared(&results.medians[rate])).fold(10.0, f64::max) * 3.0;
    let area = SVGBackend::new(&path, (WIDTH, 460)).into_drawing_area();
    area.fill(&WHITE)?;
    #[expect(clippy::cast_precision_loss, reason = "a place on an axis")]
    let place = |rate: u64| rate as f64;
    let mut chart = ChartBuilder::on(&area)
        .caption("From intended send until counted: 99th percentile, ms", (FONT, 19))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .build_cartesian_2d((place(least)..place(most) * 1.05).log_scale(), (0.5..highest).log_scale())?;
    chart.configure_mesh().x_desc("records/s").x_labels(4).x_label_formatter(&|rate| format!("{rate:.0}")).draw()?;
    for (index, (name, title)) in TITLES.into_iter().take(COMPARED).enumerate() {
        let points: Vec<(f64, f64)> =
            rates.iter().filter_map(|rate| Some((place(*rate), results.medians[rate].get(name)?.p99_ms))).collect();
        if points.is_empty() {
            continue;
        }
        let colour = LINES[index];
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(title)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.2))
        .draw()?;
    area.present()?;
    Ok(())
}

/// Draws what a record costs a consumer along each axis.
///
/// # Errors
/// When the file can't be written.
pub fn scale(medians: &ScaleMedians) -> Checked {
    draw_scale(medians).map_err(|error| Failure::new(format!("plotting scale: {error}")))
}

fn draw_scale(medians: &ScaleMedians) -> Result<(), Box<dyn std::error::Error>> {
    let path = folder().join("scale.svg");
    let area = SVGBackend::new(&path, (WIDTH, 40 + SCALE_HEIGHT)).into_drawing_area();
    area.fill(&WHITE)?;
    let title = "What a million records cost a consumer, CPU seconds, when one thing changes";
    area.draw(&Text::new(title, (16, 12), (FONT, 19).into_font()))?;
    let axes: Vec<_> = medians.iter().collect();
    let highest = axes.iter().flat_map(|(_, values)| values.values()).filter_map(|sides| sides.get(&Side::Consumer));
    let highest = highest.map(|figures| figures.cpu_seconds_per_million).fold(1.0, f64::max) * 1.2;
    let below = area.margin(40, 0, 0, 0);
    for (panel, (axis, values)) in below.split_evenly((1, axes.len().max(1))).iter().zip(axes) {
        let points: Vec<(u64, f64)> = values
            .iter()
            .filter_map(|(value, sides)| Some((*value, sides.get(&Side::Consumer)?.cpu_seconds_per_million)))
            .collect();
        let count = i32::try_from(points.len())?;
        let mut chart = ChartBuilder::on(panel)
            .caption(axis.title(), (FONT, 15))
            .margin(6)
            .x_label_area_size(26)
            .y_label_area_size(34)
            .build_cartesian_2d(0..count, 0.0..highest)?;
        let label = |place: &i32| {
            let point = usize::try_from(*place).ok().and_then(|place| points.get(place));
            point.map_or_else(String::new, |(value, _)| short(*value))
        };
        // Under the middle of its bar.
        let half = i32::try_from(WIDTH)? / 5 * 3 / 4 / count.max(1) / 2;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_label_offset(half)
            .x_labels(points.len() + 1)
            .x_label_formatter(&label)
            .draw()?;
        let bars = (0..)
            .zip(&points)
            .map(|(place, (_, cpu))| Rectangle::new([(place, 0.0), (place + 1, *cpu)], TALLY.filled()));
        chart.draw_series(bars.map(|mut bar| {
            bar.set_margin(0, 0, 5, 5);
            bar
        }))?;
    }
    area.present()?;
    Ok(())
}

/// 10000000 as 10M.
fn short(value: u64) -> String {
    match value {
        0 => "made".to_owned(),
        1_000_000.. => format!("{}M", value / 1_000_000),
        1_000.. => format!("{}k", value / 1_000),
        _ => value.to_string(),
    }
}
