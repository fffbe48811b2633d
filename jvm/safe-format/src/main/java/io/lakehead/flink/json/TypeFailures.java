package io.lakehead.flink.json;

import java.util.ArrayList;
import java.util.List;

/** What is wrong with one record: the first failures as text, the others as a number. */
final class TypeFailures {

  static final int MAX_TEXTS = 10;

  /** Leaves room to say how many more there are. */
  private static final int MAX_CHARS = RefusedRecordException.MAX_CHARS - 30;

  private static final String SEPARATOR = "; ";

  private final List<String> texts = new ArrayList<>();
  private int count;

  boolean isEmpty() {
    return count == 0;
  }

  boolean isFull() {
    return texts.size() == MAX_TEXTS;
  }

  void add(String text) {
    count++;
    if (!isFull()) {
      texts.add(text);
    }
  }

  void addUntold() {
    count++;
  }

  void addAll(TypeFailures others) {
    others.texts.forEach(this::add);
    count += others.count - others.texts.size();
  }

  @Override
  public String toString() {
    StringBuilder joined = new StringBuilder();
    int told = 0;
    for (String text : texts) {
      if (joined.length() + SEPARATOR.length() + text.length() > MAX_CHARS) {
        break;
      }
      joined.append(told++ == 0 ? "" : SEPARATOR).append(text);
    }
    return told == count
        ? joined.toString()
        : joined.append(SEPARATOR).append("and ").append(count - told).append(" more").toString();
  }
}
