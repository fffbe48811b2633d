package io.lakehead.flink.avro;

import java.io.IOException;

/**
 * The schema registry gives no answer, or none that says anything about the record: the task must
 * fail and read the record again.
 */
public final class RegistryUnavailableException extends IOException {

  private static final long serialVersionUID = 1L;

  /** The message says it all; what it came from is kept as suppressed, not as the root cause. */
  RegistryUnavailableException(String message, Throwable from) {
    super(message);
    addSuppressed(from);
  }
}
