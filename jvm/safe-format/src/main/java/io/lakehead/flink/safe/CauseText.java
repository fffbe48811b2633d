package io.lakehead.flink.safe;

import io.lakehead.flink.json.RefusedRecordException;
import java.io.EOFException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Says in one line why a record was refused: the messages along the chain of causes, outermost
 * first, without those that only repeat the record or another message. The same failure gives the
 * same text.
 */
final class CauseText {

  static final int MAX_CHARS = 500;

  private static final int MAX_DEPTH = 16;

  /** Bounds the work on a message that quotes a large record. */
  private static final int MAX_MESSAGE_CHARS = 4_000;

  private static final Pattern JACKSON_SOURCE =
      Pattern.compile(
          "\\[Source: .*?((?:line: \\d+(?:, column: \\d+)?)|byte offset: #\\d+)\\]",
          Pattern.DOTALL);
  private static final Pattern JACKSON_UNKNOWN_SOURCE =
      Pattern.compile("\\s*(?:at )?\\[Source: UNKNOWN;[^\\]]*\\]");
  private static final Pattern CLASS_LOADERS =
      Pattern.compile(" \\([^()]* (?:is|are) in [^()]*\\)");
  private static final Pattern PACKAGE = Pattern.compile("\\b(?:[a-z_]\\w*\\.)+(?=[A-Z])");
  private static final Pattern OBJECT_HASH = Pattern.compile("(?<=\\S)\\s?@[0-9a-f]{5,8}\\b");
  private static final Pattern TRAILING_DOTS = Pattern.compile("\\.+$");
  private static final Pattern UNPRINTABLE =
      Pattern.compile("[\\s\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]+");

  private CauseText() {}

  static String of(Throwable failure) {
    if (failure instanceof RefusedRecordException) {
      return failure.getMessage();
    }
    List<String> messages = new ArrayList<>();
    Throwable link = failure;
    for (int depth = 0; link != null && depth < MAX_DEPTH; depth++, link = link.getCause()) {
      String message = message(link);
      boolean adds = messages.stream().noneMatch(outer -> outer.contains(message));
      if (!message.isEmpty() && adds) {
        messages.add(message);
      }
    }
    return shorten(String.join(": ", messages));
  }

  private static String message(Throwable t) {
    String text = t.getMessage();
    Throwable cause = t.getCause();
    if (cause != null && (isBlank(text) || repeats(text, cause) || quotesRecord(text))) {
      return "";
    }
    if (isBlank(text)) {
      return t instanceof EOFException
          ? "unexpected end of the record"
          : t.getClass().getSimpleName();
    }
    if (t instanceof ClassCastException) {
      String classes = PACKAGE.matcher(CLASS_LOADERS.matcher(text).replaceAll("")).replaceAll("");
      return "unexpected type: " + clean(classes);
    }
    // Made for programmers: an index or a null reference says little without its kind.
    boolean bare = t instanceof IndexOutOfBoundsException || t instanceof NullPointerException;
    return bare ? t.getClass().getSimpleName() + ": " + clean(text) : clean(text);
  }

  private static boolean isBlank(String text) {
    return text == null || text.isBlank();
  }

  private static boolean repeats(String text, Throwable cause) {
    return text.equals(cause.toString());
  }

  /** Flink's formats put "Failed to deserialize ... 'the whole record'" around the real cause. */
  private static boolean quotesRecord(String text) {
    return text.startsWith("Failed to deserialize");
  }

  private static String clean(String message) {
    String text = message.substring(0, Math.min(message.length(), MAX_MESSAGE_CHARS));
    text = JACKSON_UNKNOWN_SOURCE.matcher(text).replaceAll("");
    text = JACKSON_SOURCE.matcher(text).replaceAll("$1");
    text = OBJECT_HASH.matcher(text).replaceAll("");
    text = UNPRINTABLE.matcher(text).replaceAll(" ").strip();
    return TRAILING_DOTS.matcher(text).replaceAll("");
  }

  private static String shorten(String text) {
    if (text.length() <= MAX_CHARS) {
      return text;
    }
    int end = MAX_CHARS - 3;
    if (Character.isHighSurrogate(text.charAt(end - 1))) {
      end--;
    }
    return text.substring(0, end) + "...";
  }
}
