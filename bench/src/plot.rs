//! How cost grows, drawn: one picture of small diagrams, both axes logarithmic, as plain SVG.
use serde_json::Value;

/// One diagram: a table's column over another one.
struct Diagram {
    title: &'static str,
    table: &'static str,
    x: &'static str,
    y: &'static str,
}

const DIAGRAMS: [Diagram; 6] = [
    Diagram {
        title: "CPU ns an event and plugin, by plugins",
        table: "plugins",
        x: "plugins",
        y: "CPU ns an event and plugin",
    },
    Diagram {
        title: "ns an open, by processes",
        table: "processes",
        x: "processes",
        y: "ns an event",
    },
    Diagram {
        title: "ns an open, by containers",
        table: "containers",
        x: "containers",
        y: "ns an event",
    },
    Diagram {
        title: "ns an event, by subscriptions",
        table: "subscriptions",
        x: "subscriptions",
        y: "ns an event",
    },
    Diagram {
        title: "ns a sample, by series",
        table: "series",
        x: "series",
        y: "ns a sample",
    },
    Diagram {
        title: "ms to render /metrics, by series",
        table: "scrape",
        x: "series",
        y: "rendering ms",
    },
];

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 240.0;
/// Left, top, right and bottom of a diagram's lines.
const FRAME: [f64; 4] = [60.0, 40.0, 340.0, 200.0];

/// The picture of a run's tables; diagrams of sections that were not run are left out. Nothing, if none was.
#[must_use]
pub fn svg(tables: &Value) -> Option<String> {
    let drawn: Vec<String> = DIAGRAMS.iter().filter_map(|diagram| diagram.draw(tables)).collect();
    if drawn.is_empty() {
        return None;
    }
    let rows = drawn.len().div_ceil(2);
    let mut picture = String::new();
    #[expect(clippy::cast_precision_loss, reason = "a few diagrams")]
    let (width, height) = (2.0 * WIDTH, rows as f64 * HEIGHT);
    picture.extend([format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    )]);
    for (at, diagram) in drawn.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a few diagrams")]
        let (x, y) = ((at % 2) as f64 * WIDTH, (at / 2) as f64 * HEIGHT);
        picture.extend([format!("<g transform=\"translate({x} {y})\">\n{diagram}</g>\n")]);
    }
    picture.push_str("</svg>\n");
    Some(picture)
}

impl Diagram {
    fn draw(&self, tables: &Value) -> Option<String> {
        let rows = tables[self.table].as_array()?;
        let points = rows
            .iter()
            .filter_map(|row| Some((row[self.x].as_f64()?, row[self.y].as_f64()?)));
        let points: Vec<(f64, f64)> = points.filter(|(x, y)| *x > 0.0 && *y > 0.0).collect();
        if points.len() < 2 {
            return None;
        }
        let [left, top, right, bottom] = FRAME;
        let across = Axis::of(points.iter().map(|(x, _)| *x), left, right);
        let up = Axis::of(points.iter().map(|(_, y)| *y), bottom, top);
        let mut drawn = format!(
            "<text x=\"{left}\" y=\"24\" font-weight=\"bold\">{}</text>\n",
            self.title
        );
        for (power, at) in across.powers() {
            drawn.extend([format!(
                "<path d=\"M{at:.1} {top}V{bottom}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"218\" \
                 text-anchor=\"middle\">{power}</text>\n"
            )]);
        }
        for (power, at) in up.powers() {
            drawn.extend([format!(
                "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#ddd\"/><text x=\"54\" y=\"{:.1}\" \
                 text-anchor=\"end\">{power}</text>\n",
                at + 4.0
            )]);
        }
        let places: Vec<(f64, f64)> = points.iter().map(|(x, y)| (across.place(*x), up.place(*y))).collect();
        let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        drawn.extend([format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f6fb4\" stroke-width=\"2\"/>\n",
            line.join(" ")
        )]);
        for (x, y) in places {
            drawn.extend([format!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"#1f6fb4\"/>"
            )]);
        }
        Some(drawn)
    }
}

/// Whole powers of ten around what is shown.
struct Axis {
    first: i32,
    last: i32,
    from: f64,
    to: f64,
}

impl Axis {
    #[expect(clippy::cast_possible_truncation, reason = "powers of ten that a figure has")]
    fn of(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Axis {
        let first = values.clone().fold(f64::MAX, f64::min).log10().floor() as i32;
        let last = values.fold(f64::MIN, f64::max).log10().ceil() as i32;
        Axis {
            first,
            last: last.max(first + 1),
            from,
            to,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value.log10() - f64::from(self.first)) / f64::from(self.last - self.first);
        self.from + share * (self.to - self.from)
    }

    fn powers(&self) -> impl Iterator<Item = (String, f64)> {
        (self.first..=self.last).map(|power| {
            let value = 10_f64.powi(power);
            let name = match power {
                6 => "1 M".to_owned(),
                3.. => format!("{} k", 10_f64.powi(power - 3)),
                _ => format!("{value}"),
            };
            (name, self.place(value))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_measured_is_drawn_and_the_rest_left_out() {
        let rows = json!([{"series": 1_000, "rendering ms": 0.3}, {"series": 100_000, "rendering ms": 31.0}]);
        let picture = svg(&json!({"scrape": rows, "plugins": []})).expect("a picture");
        assert!(picture.contains("<polyline points=\"60.0,"), "{picture}");
        assert_eq!(picture.matches("<circle").count(), 2);
        assert_eq!(picture.matches("<g ").count(), 1);
        assert!(svg(&json!({})).is_none());
    }
}
