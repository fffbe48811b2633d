package io.lakehead.flink.json;

import java.io.IOException;

/**
 * Says why a record was refused, in one printable line that needs no further words.
 *
 * <p>Has no stack trace: the fault is in the record, and a trace for each would cost more than
 * decoding it.
 */
public final class RefusedRecordException extends IOException {

  private static final long serialVersionUID = 1L;

  /** The length that no message exceeds, by much. */
  static final int MAX_CHARS = 2_000;

  RefusedRecordException(String cause) {
    super(Printable.line(cause, MAX_CHARS));
  }

  @Override
  public synchronized Throwable fillInStackTrace() {
    return this;
  }
}
