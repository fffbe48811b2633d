package io.lakehead.flink.json;

import java.util.HashSet;
import java.util.Set;
import javax.annotation.Nullable;

/** Which keys one JSON object has had: those that are known by number, others by name. */
final class KeysSeen {

  private final boolean[] known;
  @Nullable private Set<String> others;

  KeysSeen(int known) {
    this.known = new boolean[known];
  }

  boolean has(int key) {
    return known[key];
  }

  /** Returns false if the key was there before. */
  boolean add(int key) {
    boolean before = known[key];
    known[key] = true;
    return !before;
  }

  /** Returns false if the key was there before. */
  boolean add(String key) {
    if (others == null) {
      others = new HashSet<>();
    }
    return others.add(key);
  }
}
