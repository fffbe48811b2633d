package io.lakehead.flink.json;

/** Text of a record, made fit for one line of a cause. */
final class Printable {

  private static final String MORE = "...";

  private Printable() {}

  /**
   * Returns the text with line breaks as spaces and what cannot be seen as an escape, cut at a
   * character after {@code max}, with dots to tell so.
   */
  static String line(String text, int max) {
    StringBuilder line = new StringBuilder(Math.min(text.length(), max) + MORE.length());
    for (int i = 0; i < text.length(); ) {
      int character = text.codePointAt(i);
      int before = line.length();
      append(line, character);
      if (line.length() > max) {
        line.setLength(before);
        return line.append(MORE).toString();
      }
      i += Character.charCount(character);
    }
    return line.toString();
  }

  /** Returns the text as a JSON string. */
  static String quoted(String text) {
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
  }

  private static void append(StringBuilder line, int character) {
    if (character == '\n' || character == '\r' || character == '\t') {
      line.append(' ');
    } else if (isPrintable(character)) {
      line.appendCodePoint(character);
    } else {
      for (char c : Character.toChars(character)) {
        line.append(String.format("\\u%04x", (int) c));
      }
    }
  }

  private static boolean isPrintable(int character) {
    return switch (Character.getType(character)) {
      case Character.CONTROL,
          Character.FORMAT,
          Character.SURROGATE,
          Character.LINE_SEPARATOR,
          Character.PARAGRAPH_SEPARATOR ->
          false;
      default -> true;
    };
  }
}
