// k6: users at random, as many a request as BATCH says, from VUS connections that each wait for their answer.
import http from 'k6/http';

const ids = () => Array.from({ length: Number(__ENV.BATCH) }, () =>
  `user-${String(Math.floor(Math.random() * Number(__ENV.USERS))).padStart(6, '0')}`);

export const options = {
  vus: Number(__ENV.VUS),
  duration: `${__ENV.SECONDS}s`,
  discardResponseBodies: true,
  summaryTrendStats: ['med', 'p(99)', 'max'],
};

export default function () {
  const body = JSON.stringify({ feature_service: __ENV.SERVICE, entities: { user_id: ids() } });
  http.post(`${__ENV.URL}/get-online-features`, body, { headers: { 'Content-Type': 'application/json' } });
}

export function handleSummary(data) {
  return { [__ENV.SUMMARY]: JSON.stringify(data) };
}
