//! A page around its parts.

use crate::report::html;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// A page that grows from top to bottom.
pub(super) struct Page {
    title: String,
    body: String,
}

/// What a verdict means to whoever has to act on it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tone {
    Good,
    Notable,
    Bad,
}

impl Page {
    /// The verdict in a word and in sentences, of which each is escaped already.
    pub(super) fn new(title: &str, tone: Tone, word: &str, sentences: &[String]) -> Self {
        let class = match tone {
            Tone::Good => "good",
            Tone::Notable => "notable",
            Tone::Bad => "bad",
        };
        let title = html::text(title);
        let mut body = format!(
            "<header><p class=\"path\">{title}</p><h1 class=\"{class}\">{}</h1>\n",
            html::text(word)
        );
        for sentence in sentences {
            html::push(&mut body, format_args!("<p class=\"lead\">{sentence}</p>\n"));
        }
        body.push_str("</header>\n");
        Self { title, body }
    }

    /// Figures in a row: each a number and what it counts.
    pub(super) fn figures(&mut self, figures: &[(String, String)]) {
        let six = if figures.len() == 6 { " six" } else { "" };
        html::push(&mut self.body, format_args!("<dl class=\"figures{six}\">"));
        for (figure, what) in figures {
            html::push(&mut self.body, format_args!("<div><dd>{figure}</dd><dt>{what}</dt></div>"));
        }
        self.body.push_str("</dl>\n");
    }

    /// A part under its title, with a line of what it shows; both are escaped already.
    pub(super) fn section(&mut self, title: &str, about: &str, content: &str) {
        let about = if about.is_empty() {
            String::new()
        } else {
            format!("<p class=\"about\">{about}</p>\n")
        };
        html::push(
            &mut self.body,
            format_args!("<section><h2>{title}</h2>\n{about}{content}</section>\n"),
        );
    }

    pub(super) fn finish(self) -> String {
        let Self { title, body } = self;
        let version = env!("CARGO_PKG_VERSION");
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
             script-src 'unsafe-inline'; img-src data:\">\n<link rel=\"icon\" href=\"data:,\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <button id=\"theme\" type=\"button\" title=\"Light or dark\" aria-label=\"Light or dark\">\
             <svg viewBox=\"0 0 16 16\" aria-hidden=\"true\"><circle cx=\"8\" cy=\"8\" r=\"6.2\" fill=\"none\" \
             stroke=\"currentColor\" stroke-width=\"1.4\"/><path d=\"M8 1.8a6.2 6.2 0 0 1 0 12.4z\" \
             fill=\"currentColor\"/></svg></button>\n<main>\n{body}</main>\n\
             <footer>serfsnap {version}</footer>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
        )
    }
}
