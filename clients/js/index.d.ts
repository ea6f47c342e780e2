export interface QuadraEvent {
  eventId: string;
  eventType: string;
  [field: string]: unknown;
}
export interface Options {
  /** Where Quadra is, such as `https://your-quadra`. */
  url: string;
  /** A write key. */
  key: string;
  /** Hears of events that will never be stored. */
  onLost?: (event: QuadraEvent, why: string | number) => void;
}
export interface Analytics {
  trackEvent(eventType: string, properties?: Record<string, unknown>, fields?: Record<string, unknown>): void;
  trackPage(pageUrl?: string, pageTitle?: string): void;
  identify(userId: string | number, traits?: Record<string, unknown>): void;
  reset(): void;
  flush(): Promise<boolean>;
}
export function configure(options: Options): void;
export const trackEvent: Analytics['trackEvent'];
export const trackPage: Analytics['trackPage'];
export const identify: Analytics['identify'];
export const reset: Analytics['reset'];
export const flush: Analytics['flush'];
export function useAnalytics(): Readonly<Analytics>;
