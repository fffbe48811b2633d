package io.lakehead.flink.safe;

import java.util.Map;
import javax.annotation.Nullable;

/**
 * Checks that a CSV record is one line: Flink's CSV format decodes the first and loses the others
 * without a word. A line break between quotes is part of a value.
 */
final class CsvText implements RecordSyntax {

  private static final long serialVersionUID = 1L;

  private static final int NONE = -1;

  private final int quote;
  private final int escape;

  private CsvText(int quote, int escape) {
    this.quote = quote;
    this.escape = escape;
  }

  static CsvText of(Map<String, String> options) {
    boolean noQuote = Boolean.parseBoolean(options.get("disable-quote-character"));
    String quote = options.getOrDefault("quote-character", "\"");
    String escape = options.getOrDefault("escape-character", "");
    return new CsvText(
        noQuote || quote.isEmpty() ? NONE : quote.charAt(0),
        escape.isEmpty() ? NONE : escape.charAt(0));
  }

  @Override
  @Nullable
  public String beforeDecoding(byte[] record) {
    return null;
  }

  @Override
  @Nullable
  public String afterDecoding(byte[] record) {
    boolean quoted = false;
    boolean ended = false;
    for (int i = 0; i < record.length; i++) {
      byte b = record[i];
      boolean lineBreak = b == '\n' || b == '\r';
      if (ended && !lineBreak) {
        return "trailing content: the first line ends before byte " + i + " of " + record.length;
      }
      if (b == escape && escape != NONE) {
        i++;
      } else if (b == quote && quote != NONE) {
        quoted = !quoted;
      } else if (lineBreak && !quoted) {
        ended = true;
      }
    }
    return null;
  }
}
