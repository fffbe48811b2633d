package io.lakehead.flink.safe;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.nio.channels.ClosedByInterruptException;
import org.apache.flink.util.ExceptionUtils;

/** Tells a record that cannot be decoded from a decoder that cannot work. */
final class Failures {

  private static final int MAX_DEPTH = 64;

  private Failures() {}

  /**
   * Returns if the failure is the record's own. Throws if it is not: an interrupt (the task is
   * being cancelled), a fatal error of the virtual machine, a class that is missing, a network that
   * is down (a schema registry is asked while decoding). Inner formats wrap what they catch, so the
   * whole chain is searched.
   *
   * <p>A stack overflow is the record's own: it comes from hostile nesting.
   */
  static void rethrowUnlessOfRecord(Throwable failure) throws IOException {
    Throwable link = failure;
    for (int depth = 0; link != null && depth < MAX_DEPTH; depth++, link = link.getCause()) {
      if (isOfEnvironment(link)) {
        if (link instanceof Error) {
          throw (Error) link;
        }
        ExceptionUtils.rethrowIOException(failure);
      }
    }
  }

  private static boolean isOfEnvironment(Throwable t) {
    return (t instanceof VirtualMachineError && !(t instanceof StackOverflowError))
        || t instanceof LinkageError
        || t instanceof InterruptedException
        || t instanceof InterruptedIOException
        || t instanceof ClosedByInterruptException
        || t instanceof SocketException
        || t instanceof UnknownHostException;
  }
}
